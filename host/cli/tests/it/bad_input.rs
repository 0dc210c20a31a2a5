//! What is wrong is named, with a code and a next step, and leaves nothing behind.

mod arguments;
mod builds;
mod disk;
mod homes;
mod inputs;
mod programs;
mod store;

use crate::harness::{Mc, Ran};

/// Runs `mc`, which has to fail with `code` and `error`, in both forms, and leave nothing behind.
#[track_caller]
fn refused(mc: &Mc, args: &[&str], code: i32, error: &str) -> Ran {
    let ran = mc.run(args).fails(code, error);
    assert_eq!(ran.stdout, "", "{ran:#?}");
    let causes = ran.stderr.matches("  cause: ").count();
    assert!(causes <= 1, "one line of cause: {ran:#?}");
    mc.assert_clean();
    // The same error as JSON.
    if args.first() == Some(&"run") {
        let json = mc.run([&["run", "--json"], &args[1..]].concat());
        assert_eq!(
            (json.code, json.stdout.as_str()),
            (Some(code), ""),
            "{json:#?}"
        );
        let document = last_json(&json);
        assert_eq!(document["error"]["code"], error, "{json:#?}");
        for field in ["message", "help"] {
            let text = document["error"][field].as_str().unwrap();
            assert!(!text.is_empty(), "{field}: {json:#?}");
        }
        mc.assert_clean();
    }
    ran
}

/// The error as JSON: the last line of stderr.
fn last_json(ran: &Ran) -> serde_json::Value {
    let line = ran.stderr.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {ran:#?}"))
}

/// A path as text.
fn text(path: impl AsRef<std::path::Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}
