//! Makes `data/mnist.bin.gz` again from the original IDX files, whose sums it checks:
//!
//! ```text
//! cargo run --release --example embed_mnist -- DIR_WITH_IDX data/mnist.bin.gz
//! ```

use anyhow::{Context, ensure};
use bernet::data::{THRESHOLD, load_idx_dir, packed};
use sha2::{Digest, Sha256};
use std::path::Path;

const IDX_SUMS: [(&str, &str); 4] = [
    (
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    (
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    (
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    (
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
];
const PACKED_SUM: &str = "2d5fff3b4fd53da63acf141b0c0b353caa3e07be893c4ac74effcf668313a7f5";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder, out] = arguments.as_slice() else {
        anyhow::bail!("usage: embed_mnist DIR_WITH_IDX OUT");
    };
    for (name, sum) in IDX_SUMS {
        let path = Path::new(folder).join(name);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        check(name, sum, &bytes)?;
    }
    let mnist = load_idx_dir(folder.as_ref(), THRESHOLD)?;
    let bytes = packed::encode(&mnist)?;
    std::fs::write(out, &bytes).with_context(|| Path::new(out).display().to_string())?;
    println!("{}: {} bytes", Path::new(out).display(), bytes.len());
    check("the packed file", PACKED_SUM, &bytes)
}

fn check(name: &str, expected: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let found: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ensure!(
        found == expected,
        "{name}: sha256 {found}, expected {expected}"
    );
    println!("{name}: sha256 {found}, as expected");
    Ok(())
}
