//! `exit-code N [return|exit|std|error]`: ends with code N by each of the ways there are.

use mutual_guest::ExitCode;

#[mutual_guest::main]
fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let code: u8 = arguments.get(1).ok_or("no code given")?.parse()?;
    print!("ending with {code}");
    match arguments.get(2).map_or("return", String::as_str) {
        "return" => Ok(ExitCode::from(code)),
        "exit" => mutual_guest::exit(code),
        // Arrives as 1: the standard library asks the host for "failure", not for a number.
        "std" => std::process::exit(code.into()),
        _ => Err("an error of its own".into()),
    }
}
