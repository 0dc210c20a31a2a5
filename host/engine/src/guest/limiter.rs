//! Bounds of what grows inside a store: linear memory by the job, everything else by fixed caps.

use wasmtime::ResourceLimiter;

/// Elements of one table: the largest programs in use have 100,000 functions in theirs.
const TABLE_ELEMENTS_MAX: usize = 1_000_000;
/// Instances, tables and memories of one program: a composed component has one of each per part.
const ITEMS_MAX: usize = 1_000;

/// Counts all linear memories of the store together.
#[derive(Debug)]
pub(super) struct Limiter {
    bytes_max: u64,
    bytes: u64,
    peak: u64,
    refused: bool,
}

impl Limiter {
    pub(super) const fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            peak: 0,
            refused: false,
        }
    }

    /// Largest size so far, bytes.
    pub(super) const fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether memory was ever refused.
    pub(super) const fn has_refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let bytes = self.bytes.saturating_add(more);
        if bytes > self.bytes_max {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = bytes;
        self.peak = self.peak.max(bytes);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        ITEMS_MAX
    }

    fn tables(&self) -> usize {
        ITEMS_MAX
    }

    fn memories(&self) -> usize {
        ITEMS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together_and_a_refusal_is_remembered() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.has_refused());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert!(limiter.has_refused());
        assert_eq!(limiter.peak(), 100);
    }

    #[test]
    fn tables_are_capped() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(
            !limiter
                .table_growing(0, TABLE_ELEMENTS_MAX + 1, None)
                .unwrap()
        );
    }
}
