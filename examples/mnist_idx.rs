//! Writes the embedded MNIST's test images and labels as IDX files, for hosts that read those:
//! `cargo run --example mnist_idx -- DIR`.

use bernet::data;
use std::{env, fs, path::Path};

fn main() -> std::io::Result<()> {
    let folder = env::args_os().nth(1).expect("usage: mnist_idx DIR");
    let test = data::load_embedded().test;
    let (images, shape) = (test.images(), test.images().shape());
    let head = |magic: u32, sizes: &[usize]| -> Vec<u8> {
        let sizes = sizes.iter().map(|&size| size as u32);
        let numbers = [magic].into_iter().chain(sizes);
        numbers.flat_map(u32::to_be_bytes).collect()
    };
    let mut file = head(0x803, &[shape.batch, shape.height, shape.width]);
    for image in 0..shape.batch {
        for y in 0..shape.height {
            let line = (0..shape.width).map(|x| images.get(image, y, x, 0));
            file.extend(line.map(|ink| if ink { 255 } else { 0 }));
        }
    }
    let write = |name: &str, bytes| fs::write(Path::new(&folder).join(name), bytes);
    write("t10k-images-idx3-ubyte", file)?;
    let mut file = head(0x801, &[shape.batch]);
    file.extend_from_slice(test.labels());
    write("t10k-labels-idx1-ubyte", file)
}
