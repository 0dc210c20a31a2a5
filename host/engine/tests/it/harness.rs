//! As much of a test harness as is needed: names, a filter, some at once, a summary.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A name and what to do.
pub(crate) type Test = (&'static str, fn());

/// Tests that run at once: each is a child process or two that mostly wait.
const AT_ONCE: usize = 4;
/// A test that takes longer hangs; every wait inside one is shorter.
const TEST_TIME_MAX: Duration = Duration::from_secs(120);

/// Makes a list of tests from functions.
macro_rules! tests {
    ($($name:ident,)*) => {
        pub(crate) const TESTS: &[crate::harness::Test] =
            &[$((concat!(module_path!(), "::", stringify!($name)), $name),)*];
    };
}
pub(crate) use tests;

/// Runs those whose name holds one of the arguments, or all.
pub(crate) fn run(tests: &[Test]) -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|part| name.contains(*part));
    let chosen: Vec<_> = tests.iter().filter(|(name, _)| wanted(name)).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::<&str>::new());
    let work = || {
        while let Some((name, test)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let passed = catch_unwind(test).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            failed.lock().unwrap().extend((!passed).then_some(*name));
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    println!(
        "\ntest result: {} passed; {} failed",
        chosen.len() - failed.len(),
        failed.len()
    );
    failed.iter().for_each(|name| println!("    {name}"));
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one test's future with I/O and time.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bounded = async { tokio::time::timeout(TEST_TIME_MAX, future).await };
    runtime.block_on(bounded).expect("the test hangs")
}
