//! Writes a WebAssembly module and its JavaScript: `bindgen IN.wasm NAME FOLDER`.
//!
//! The command line of wasm-bindgen does this too; its library alone builds in a third of the time.

use std::{env, process::ExitCode};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [module, name, folder] = arguments.as_slice() else {
        eprintln!("bindgen: expected IN.wasm NAME FOLDER, found {arguments:?}");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    let bindgen = bindgen.input_path(module).out_name(name);
    // The package says where its module is, and has types of its own.
    let written = bindgen.web(true).map(|bindgen| {
        bindgen.omit_default_module_path(true).typescript(false);
        bindgen
            .remove_name_section(true)
            .remove_producers_section(true);
        bindgen.generate(folder)
    });
    match written.and_then(|written| written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindgen: {module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
