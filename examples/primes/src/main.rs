//! Counts the primes below a limit, and says how far it is. Needs no files.

mod sieve;

use sieve::Sieve;
use std::error::Error;

const DEFAULT_LIMIT: u64 = 10_000_000;

/// Beyond it nobody would wait for the end.
const LIMIT_MAX: u64 = 1_000_000_000_000;

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn Error>> {
    let limit = parse_limit(std::env::args().nth(1).as_deref())?;
    let mut sieve = Sieve::below(limit);
    let (mut count, mut done, total) = (0, 0, sieve.segments());
    while let Some(primes) = sieve.next_segment() {
        count += primes;
        done += 1;
        mutual_guest::progress(done, total, &format!("{count} primes"));
    }
    println!("{count} primes below {limit}");
    Ok(())
}

fn parse_limit(text: Option<&str>) -> Result<u64, String> {
    let Some(text) = text else {
        return Ok(DEFAULT_LIMIT);
    };
    let digits = text.replace('_', "");
    let limit = digits.parse().ok().filter(|limit| *limit <= LIMIT_MAX);
    limit.ok_or_else(|| {
        format!("{text:?} is no limit: usage: primes [LIMIT], a whole number up to {LIMIT_MAX}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_in_bounds() {
        assert_eq!(parse_limit(None), Ok(DEFAULT_LIMIT));
        assert_eq!(parse_limit(Some("1_000")), Ok(1000));
        for wrong in ["", "-1", "many", "1000000000001"] {
            assert!(parse_limit(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
