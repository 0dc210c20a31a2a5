//! `echo [--args] [--env] [--stderr]`: stdin to stdout (or stderr); before it the arguments, the environment, a line each.

use std::{
    env,
    io::{self, Write},
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let is_given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let mut out: Box<dyn Write> = if is_given("--stderr") {
        Box::new(io::stderr())
    } else {
        Box::new(io::stdout())
    };
    if is_given("--args") {
        for (number, argument) in arguments.iter().enumerate() {
            writeln!(out, "arg {number}: {argument}")?;
        }
    }
    if is_given("--env") {
        for (name, value) in env::vars() {
            writeln!(out, "env {name}={value}")?;
        }
    }
    io::copy(&mut io::stdin(), &mut out)?;
    out.flush()
}
