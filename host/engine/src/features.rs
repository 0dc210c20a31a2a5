//! The pinned WebAssembly features of profile `mc-1`: never "whatever this engine version enables".

use wasmparser::{Validator, WasmFeatures};

/// Name of this set in semantic profiles.
pub(crate) const PROFILE: &str = "mc-1";

/// What a program may use: WebAssembly 2.0 with SIMD, constant expressions of 3.0, and components.
///
/// Off: threads, 64-bit memories, several memories, tail calls, exceptions, typed references, GC, relaxed SIMD, custom
/// page sizes, wide arithmetic, stack switching, and everything asynchronous in components.
pub(crate) const PINNED: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// The proposals that a refused program may name, in the words of their own pages.
const REFUSED: [(WasmFeatures, &str); 12] = [
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::MEMORY64, "64-bit memory"),
    (WasmFeatures::MULTI_MEMORY, "multiple memories"),
    (WasmFeatures::TAIL_CALL, "tail calls"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exceptions (legacy)"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (
        WasmFeatures::FUNCTION_REFERENCES,
        "typed function references",
    ),
    (
        WasmFeatures::GC.union(WasmFeatures::GC_TYPES),
        "garbage collection",
    ),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CM_ASYNC, "asynchronous components (WASI 0.3)"),
];

/// Whether `bytes` is valid with `features` alone.
pub(crate) fn validate(
    bytes: &[u8],
    features: WasmFeatures,
) -> Result<(), wasmparser::BinaryReaderError> {
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map(|_types| ())
}

/// Names what an invalid program would need to be valid; `None` when no known feature helps.
pub(crate) fn missing(bytes: &[u8]) -> Option<&'static str> {
    let valid = |features: WasmFeatures| validate(bytes, PINNED.union(features)).is_ok();
    let one = REFUSED.iter().find(|(feature, _)| valid(*feature));
    if let Some((_, name)) = one {
        return Some(name);
    }
    let all = REFUSED
        .iter()
        .fold(WasmFeatures::empty(), |all, (feature, _)| {
            all.union(*feature)
        });
    // Several are needed: names the first one that cannot be left out.
    let needed = || {
        REFUSED
            .iter()
            .find(|(feature, _)| !valid(all.difference(*feature)))
    };
    valid(all).then(needed).flatten().map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_features_are_named() {
        let cases = [
            ("(module (memory 1 1 shared))", "threads"),
            ("(module (memory i64 1))", "64-bit memory"),
            ("(module (memory 1) (memory 1))", "multiple memories"),
            ("(module (func return_call 0))", "tail calls"),
            ("(module (tag))", "exceptions"),
            (
                "(module (func (param v128 v128 v128) (result v128)
                    (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))",
                "relaxed SIMD",
            ),
            ("(module (type (struct)))", "garbage collection"),
            ("(module (memory 1 (pagesize 1)))", "custom page sizes"),
            ("(module (memory i64 1 1 shared))", "threads"),
        ];
        for (text, name) in cases {
            let bytes = wat::parse_str(text).unwrap();
            assert!(validate(&bytes, PINNED).is_err(), "{text}");
            assert_eq!(missing(&bytes), Some(name), "{text}");
        }
    }

    #[test]
    fn nothing_helps_a_program_that_is_wrong() {
        let bytes = wat::parse_str("(module (func (result i32)))").unwrap();
        assert_eq!(missing(&bytes), None);
    }
}
