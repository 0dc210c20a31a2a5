//! The identity of what compiles here: engine, settings, CPU.

use crate::features;
use mutual_protocol::Digest;
use mutual_protocol::receipt::Build;
use mutual_runner::BuildId;

/// The pinned engine; wasmtime has no constant for it, so a test compares it with the manifest.
const VERSION: &str = "48.0.8";
/// Everything in `config.rs` that could change compiled code, and then some.
const CONFIG: u64 = fnv(include_bytes!("config.rs"));

/// Identity of compiled code on this machine, for the cache: cheap enough for every start, without an engine.
///
/// wasmtime checks most of it once more when it maps code, and refuses what does not fit.
pub fn build_id() -> BuildId {
    BuildId(format!("wasmtime {VERSION} {CONFIG:016x} {}", target()))
}

/// What receipts say about how a program was compiled.
pub fn build() -> Build {
    Build {
        engine: format!("wasmtime {VERSION}"),
        compiler: format!("cranelift {}", features::PROFILE),
        target: Digest::of(target().as_bytes()).to_string(),
    }
}

/// Architecture, system, and the CPU features that Cranelift looks at.
fn target() -> String {
    let features = cpu_features();
    format!(
        "{} {} {}",
        std::env::consts::ARCH,
        std::env::consts::OS,
        features.join(",")
    )
}

macro_rules! detected {
    ($detect:ident: $($name:tt)*) => {
        [$(($name, std::arch::$detect!($name)),)*]
    };
}

/// The list of `cranelift-native`.
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    let all = detected!(is_x86_feature_detected:
        "sse2" "cmpxchg16b" "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "avxvnni" "avx512vnni"
        "bmi1" "bmi2" "avx512bitalg" "avx512dq" "avx512f" "avx512vl" "avx512vbmi" "lzcnt");
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}

/// The list of `cranelift-native`.
#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    let all = detected!(is_aarch64_feature_detected: "lse" "paca" "fp16");
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}

/// FNV-1a: tells texts apart, at compile time. Nothing secret or hostile goes in.
const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = bytes;
    while let [first, more @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = more;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_stable_within_a_process_and_names_the_engine() {
        assert_eq!(build_id(), build_id());
        let manifest = include_str!("../../../Cargo.toml");
        let pinned = format!("wasmtime = {{ version = \"={VERSION}\"");
        assert!(
            manifest.contains(&pinned),
            "{VERSION} is not what the workspace pins"
        );
        assert_ne!(fnv(b"a"), fnv(b"b"));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_cpu_is_looked_at() {
        assert!(cpu_features().contains(&"sse2"), "every x86-64 has it");
    }
}
