//! [`CycleDetector`]: links that come back to a page that they have led to before.

use crate::query::Cursor;

/// Detects a cycle of any length in constant memory, by Brent's algorithm: it keeps one cursor, and a later
/// one each time the listing has doubled its length.
#[derive(Default)]
pub(crate) struct CycleDetector {
    kept: Option<Cursor>,
    steps: u64,
    keep_after: u64,
}

impl CycleDetector {
    /// Whether the cursor closes a cycle.
    pub(crate) fn closes(&mut self, cursor: &Cursor) -> bool {
        if self.kept.as_ref() == Some(cursor) {
            return true;
        }
        if self.steps == self.keep_after {
            self.kept = Some(cursor.clone());
            self.keep_after = self.keep_after.saturating_mul(2).max(1);
            self.steps = 0;
        }
        self.steps = self.steps.saturating_add(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many pages a cycle of `period` pages that follows `lead` others is detected.
    fn detected_after(lead: i64, period: i64) -> Option<i64> {
        let mut detector = CycleDetector::default();
        (0..10_000).find(|page| {
            let offset = if *page < lead { *page } else { lead + (page - lead) % period };
            detector.closes(&Cursor::at(offset))
        })
    }

    #[test]
    fn every_cycle_is_detected() {
        for lead in [0, 1, 2, 5, 30] {
            for period in [1, 2, 3, 7, 64, 100] {
                let after = detected_after(lead, period).expect("a cycle");
                assert!(after <= 3 * (lead + period), "lead {lead}, period {period}: {after}");
            }
        }
    }

    #[test]
    fn a_link_to_itself_is_detected_at_once() {
        assert_eq!(detected_after(0, 1), Some(1));
    }

    #[test]
    fn a_list_without_a_cycle_has_none() {
        assert_eq!(detected_after(10_000, 1), None);
    }
}
