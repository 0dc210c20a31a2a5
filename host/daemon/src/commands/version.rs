//! `mc-host version`.

use crate::NAME;
use crate::args::DocumentArgs;
use mutual_terminal::failure::Failure;
use mutual_terminal::output;
use serde_json::json;

pub(crate) fn version(format: DocumentArgs) -> Result<u8, Failure> {
    let (version, engine) = (env!("CARGO_PKG_VERSION"), mutual_engine::build().engine);
    if format.is_json() {
        let arch = std::env::consts::ARCH;
        output::json(
            &json!({"schema": "mc.v1/version", "version": version, "engine": engine, "arch": arch}),
        )?;
    } else {
        output::line(&format!("{NAME} {version} ({engine})"))?;
    }
    Ok(0)
}
