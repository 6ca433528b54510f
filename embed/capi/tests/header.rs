//! `bernet.h` is what cbindgen makes of the sources: `BERNET_WRITE_HEADER=1 cargo test -p bernet-capi` makes it anew.

use cbindgen::{Builder, Config};
use std::{env, fs, path::Path};

#[test]
fn header_is_what_cbindgen_makes() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(here.join("cbindgen.toml")).expect("cbindgen.toml");
    let sources = [
        "boundary", "describe", "buffers", "model", "session", "pictures",
    ];
    let header = sources
        .iter()
        .fold(Builder::new().with_config(config), |builder, name| {
            builder.with_src(here.join("src").join(name).with_extension("rs"))
        })
        .generate()
        .expect("a header");
    let mut made = Vec::new();
    header.write(&mut made);
    let made = String::from_utf8(made).expect("a header in UTF-8");

    let path = here.join("bernet.h");
    if env::var_os("BERNET_WRITE_HEADER").is_some() {
        fs::write(&path, made).expect("bernet.h is written");
    } else {
        let found = fs::read_to_string(&path).expect("bernet.h");
        assert!(
            found == made,
            "bernet.h is old: BERNET_WRITE_HEADER=1 cargo test -p bernet-capi"
        );
    }
}
