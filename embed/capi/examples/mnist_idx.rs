//! Writes the embedded MNIST's test images and labels as IDX files, for hosts that read those: `cargo run --example mnist_idx -- DIR`.

use bernet::{data, infer::reference};
use std::{env, fs, path::Path};

fn main() -> std::io::Result<()> {
    let folder = env::args_os().nth(1).expect("usage: mnist_idx DIR");
    let test = data::load_embedded().test;
    let shape = test.images().shape();
    let head = |magic: u32, sizes: &[usize]| -> Vec<u8> {
        let sizes = sizes.iter().map(|&size| size as u32);
        [magic]
            .into_iter()
            .chain(sizes)
            .flat_map(u32::to_be_bytes)
            .collect()
    };
    let write = |name: &str, bytes| fs::write(Path::new(&folder).join(name), bytes);
    let mut images = head(0x803, &[shape.batch, shape.height, shape.width]);
    let ink = reference::unpack(test.images()).into_iter();
    images.extend(ink.map(|value| if value > 0 { 255 } else { 0 }));
    write("t10k-images-idx3-ubyte", images)?;
    let mut labels = head(0x801, &[shape.batch]);
    labels.extend_from_slice(test.labels());
    write("t10k-labels-idx1-ubyte", labels)
}
