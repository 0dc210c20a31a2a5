//! Ctrl-C, kill -9, many at once, closed pipes: what a run leaves when it is disturbed.

mod at_once;
mod history;
mod interrupted;
mod killed;
mod pipes;

/// A path as text.
fn text(path: impl AsRef<std::path::Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}
