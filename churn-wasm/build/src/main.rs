//! `churn-wasm-build MODULE.wasm DIRECTORY`: writes the ES module `churn_wasm.js`, its declarations and the module that it
//! loads, `churn_wasm_bg.wasm`, to a directory.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, directory] = arguments.as_slice() else {
        eprintln!("usage: churn-wasm-build MODULE.wasm DIRECTORY");
        return ExitCode::from(2);
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    let written = bindgen
        .input_path(module)
        .out_name("churn_wasm")
        .web(true)
        // Without a default path init() would have nothing to load.
        .and_then(|bindgen| bindgen.omit_default_module_path(false).typescript(true).generate(directory));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
