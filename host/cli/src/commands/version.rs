//! `mc version`.

use crate::args::DocumentArgs;
use crate::failure::Failure;
use crate::output;
use serde_json::json;

pub(crate) fn version(format: DocumentArgs) -> Result<u8, Failure> {
    let (version, engine) = (env!("CARGO_PKG_VERSION"), mutual_engine::build().engine);
    if format.is_json() {
        let target = std::env::consts::ARCH;
        output::json(
            &json!({"schema": "mc.v1/version", "version": version, "engine": engine, "arch": target}),
        )?;
    } else {
        output::line(&format!("mc {version} ({engine})"))?;
    }
    Ok(0)
}
