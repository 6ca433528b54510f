//! Where the linker script and the net are: `NET` names a folder with `net.plan` and `net.test`.

use std::{env, path::PathBuf};

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo says it"));
    let net = env::var_os("NET").map_or(here.join("net"), PathBuf::from);
    let net = net.canonicalize().unwrap_or(net);
    println!("cargo::rerun-if-env-changed=NET");
    for file in ["net.plan", "net.test"] {
        println!("cargo::rerun-if-changed={}", net.join(file).display());
    }
    println!("cargo::rustc-env=NET={}", net.display());
    println!("cargo::rerun-if-changed=cortex-m4.ld");
    println!(
        "cargo::rustc-link-arg-bins=-T{}",
        here.join("cortex-m4.ld").display()
    );
}
