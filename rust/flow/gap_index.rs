//! The gaps of a lane whose counts are not final: messages that are dropped later are added to them.
//!
//! Must not know where a slot is; it has only the slots' numbers. Cost: O(1) a gap.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::Parent;

/// The gaps that still count dropped messages: for each parent, the slot number of its gap.
#[derive(Default)]
pub struct GapIndex {
    /// Gaps of text at the end of the middle. While it is not empty, `cut` keeps no text after them.
    pub text: HashMap<Arc<Parent>, u64>,
    /// Gaps of displays.
    pub displays: HashMap<Arc<Parent>, u64>,
    /// The search for the oldest display starts at this slot number: no earlier slot is a display that can be dropped.
    pub first_display: u64,
}

impl GapIndex {
    /// Makes the counts of all text gaps final.
    pub fn end_text_gaps(&mut self) {
        // `clear` would keep the memory
        self.text = HashMap::default();
    }

    /// Slots from `seq` on may be displays that can be dropped.
    pub fn search_from(&mut self, seq: u64) {
        self.first_display = self.first_display.min(seq);
    }

    /// Makes the count of the display gap of this parent final.
    pub fn end_display_gap(&mut self, parent: &Arc<Parent>) {
        self.displays.remove(parent);
        if self.displays.len() * 8 < self.displays.capacity() {
            self.displays.shrink_to(self.displays.len() * 2);
        }
    }
}
