//! The sieve of Eratosthenes, a segment at a time, odd numbers only. Pure.

/// Odd numbers in one segment: as many bytes as a processor's first cache holds.
const SEGMENT: u64 = 32 * 1024;

/// Counts primes below a limit, segment by segment.
#[derive(Debug)]
pub(crate) struct Sieve {
    limit: u64,
    /// Odd primes up to the limit's square root.
    small: Vec<u64>,
    /// The first number of the next segment; even.
    start: u64,
    /// Whether each odd number of the segment has a divisor.
    composite: Vec<bool>,
}

impl Sieve {
    pub(crate) fn below(limit: u64) -> Self {
        Self {
            // No prime is smaller than 2.
            limit: if limit > 2 { limit } else { 0 },
            small: odd_primes_up_to(limit.isqrt()),
            start: 0,
            composite: vec![false; SEGMENT as usize],
        }
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        self.limit.div_ceil(2 * SEGMENT) as usize
    }

    /// The number of primes in the next segment; none when all have been counted.
    pub(crate) fn next_segment(&mut self) -> Option<u64> {
        if self.start >= self.limit {
            return None;
        }
        let end = (self.start + 2 * SEGMENT).min(self.limit);
        self.composite.fill(false);
        for prime in &self.small {
            let square = prime * prime;
            if square >= end {
                break;
            }
            cross_out(&mut self.composite, self.start, square, *prime);
        }
        // Among the odd numbers 1 is counted although it is no prime: that makes up for 2.
        let odd = (end - self.start) / 2;
        let primes = self
            .composite
            .iter()
            .take(odd as usize)
            .filter(|composite| !**composite)
            .count();
        self.start = end;
        Some(primes as u64)
    }
}

/// Crosses out the odd multiples of `prime` from its square on.
fn cross_out(composite: &mut [bool], start: u64, square: u64, prime: u64) {
    let first = if square >= start {
        square
    } else {
        let multiple = start.next_multiple_of(prime);
        if multiple.is_multiple_of(2) {
            multiple + prime
        } else {
            multiple
        }
    };
    let at = ((first - start) / 2) as usize;
    for number in composite.iter_mut().skip(at).step_by(prime as usize) {
        *number = true;
    }
}

fn odd_primes_up_to(limit: u64) -> Vec<u64> {
    let mut primes: Vec<u64> = Vec::new();
    for number in (3..=limit).step_by(2) {
        let mut divisors = primes
            .iter()
            .take_while(|prime| **prime * **prime <= number);
        if divisors.all(|prime| number % prime != 0) {
            primes.push(number);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(limit: u64) -> u64 {
        let mut sieve = Sieve::below(limit);
        let segments = sieve.segments();
        let counts: Vec<u64> = std::iter::from_fn(|| sieve.next_segment()).collect();
        assert_eq!(counts.len(), segments);
        counts.iter().sum()
    }

    #[test]
    fn small_limits_agree_with_division() {
        let is_prime =
            |number: u64| number > 1 && !(2..number).any(|divisor| number.is_multiple_of(divisor));
        let mut expected = 0;
        for limit in 0..600 {
            assert_eq!(count(limit), expected, "below {limit}");
            expected += u64::from(is_prime(limit));
        }
    }

    #[test]
    fn large_limits_agree_with_known_values() {
        for (limit, expected) in [
            (65_536, 6542),
            (65_538, 6543),
            (1_000_000, 78_498),
            (10_000_000, 664_579),
        ] {
            assert_eq!(count(limit), expected, "below {limit}");
        }
    }
}
