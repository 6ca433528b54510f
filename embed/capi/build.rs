//! The shared library's name as the loader looks for it, and that it stays loaded.
//!
//! The interface may change with every 0.x version. A thread that has used the library runs some of its code when it ends, which must
//! still be there after `dlclose`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libbernet.so.0.1");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
