//! Appends a batch of any channel to the journal.
//!
//! A message belongs to the execution whose id its parent_header names; others are skipped. An update changes the displays that
//! it names, whichever execution showed them. Comm messages change the widgets of `comms`, and output that a widget captures
//! belongs to that widget. Cost: one lookup, and one count of the memory, for each run of messages with the same parent; texts in a
//! row are appended together, see `Log`.

use std::collections::BTreeSet;
use std::ops::Range;

use super::comms::message::{CommMessage, is_comm};
use super::comms::owners::Owner;
use super::displays::Update;
use super::journal::Journal;
use crate::batch::{Batch, Message, content_of};
use crate::flow::encoded::Encoded;
use crate::flow::entry::Entry;
use crate::flow::pacing::Class;
use crate::kernel_wire::header::{ParentHeader, Text};

/// Messages of a batch in a row with the same parent.
#[derive(Default)]
struct Run {
    /// The execution that is their parent, if it is kept.
    number: Option<u64>,
    /// The widget that captures their output.
    captor: Option<u64>,
    /// Which messages of the batch they are.
    range: Range<usize>,
}

impl Run {
    fn at(start: usize) -> Self {
        let range = start..start;
        Self {
            range,
            ..Self::default()
        }
    }

    fn messages<'a>(&self, batch: &'a Batch) -> impl Iterator<Item = (usize, &'a Message)> {
        let numbered = batch.messages().iter().enumerate();
        numbered.take(self.range.end).skip(self.range.start)
    }
}

impl Journal {
    /// Takes the messages of a batch of any channel, for either subprotocol. Returns the executions that have changed.
    pub fn append(&mut self, encoded: &Encoded, now: f64) -> Vec<u64> {
        let batch = &*encoded.batch;
        let mut changed = BTreeSet::new();
        let is_iopub = batch.channel() == "iopub";
        let mut run = Run::default();
        let mut parent: Option<Text> = None;
        let texts = is_iopub.then(|| encoded.texts());
        let mut next = 0;
        while let Some(message) = batch.messages().get(next) {
            let index = next;
            // The messages of a row have the same parent
            next = texts.map_or(index + 1, |texts| texts.row_end(index));
            run.range.end = index;
            let is_other = is_iopub && !message.is("stream");
            if is_other && message.is("update_display_data") {
                self.take(&run, encoded, now);
                run.range.start = index + 1;
                self.update(content_of(batch.parts(message)), &mut changed);
                continue;
            }
            if is_other && is_comm(message) {
                self.take(&run, encoded, now);
                self.take_comm(batch, message);
                // It may be that a widget captures output from now on, or no more
                (run, parent) = (Run::at(index + 1), None);
                continue;
            }
            let id = message.fields().and_then(|fields| fields.parent.msg_id.as_ref());
            if id != parent.as_ref() {
                self.take(&run, encoded, now);
                run = Run::at(index);
                parent = id.cloned();
                run.number = id.and_then(|id| self.number(id.as_str()));
                run.captor = if is_iopub { self.captor(message) } else { None };
                changed.extend(run.number);
            }
        }
        run.range.end = batch.messages().len();
        self.take(&run, encoded, now);
        self.enforce();
        changed.into_iter().collect()
    }

    /// Takes the messages of a run.
    fn take(&mut self, run: &Run, encoded: &Encoded, now: f64) {
        let batch = &*encoded.batch;
        let (text_limit, is_iopub) = (self.config.text, batch.channel() == "iopub");
        let entry_of = |index: usize| Entry::plain(encoded.frame(index), encoded.protocol, Class::Exempt);
        let mut captured = Vec::new();
        if let Some(captor) = run.captor {
            for (index, message) in run.messages(batch) {
                let (parts, entry) = (batch.parts(message), entry_of(index));
                if self.comms.captured(captor, message, parts, entry, text_limit) {
                    captured.push(index);
                }
            }
        }
        let Some(number) = run.number.filter(|_| captured.len() < run.range.len()) else {
            return;
        };
        let mut displays = Vec::new();
        let gone = self.with(number, |execution| {
            let mut next = run.range.start;
            while let Some(message) = batch.messages().get(next).filter(|_| next < run.range.end) {
                let index = next;
                // Texts in a row could have a captured one between them
                let joined = if is_iopub && captured.is_empty() {
                    execution.log.join(encoded, index..run.range.end, text_limit)
                } else {
                    0
                };
                next += joined.max(1);
                if joined == 0 && captured.binary_search(&index).is_err() {
                    displays.extend(execution.take(batch, message, entry_of(index), text_limit, now));
                }
            }
            execution.log.gone()
        });
        for (id, seq) in displays {
            if gone.is_some_and(|gone| gone < seq) {
                self.displays.add(&id, (number, seq));
            }
        }
    }

    /// Takes a comm message of the kernel.
    fn take_comm(&mut self, batch: &Batch, message: &Message) {
        if let Some(change) = CommMessage::read(message.msg_type(), batch.parts(message)) {
            let from = self.owner_of(message.fields().map(|fields| &fields.parent));
            self.comms.take(change, &from, true);
        }
    }

    /// The widget that captures a message.
    fn captor(&self, message: &Message) -> Option<u64> {
        if !self.comms.capture() {
            return None;
        }
        let parent = &message.fields()?.parent;
        self.comms
            .captor(parent.msg_id.as_ref()?.as_str(), &self.owner_of(Some(parent)))
    }

    /// Whose request a message of the kernel answers.
    fn owner_of(&self, parent: Option<&ParentHeader>) -> Owner {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        let request = parent.and_then(|parent| self.number(&text(&parent.msg_id)?));
        if let Some(execution) = request.and_then(|number| self.get(number)) {
            return Owner::of(execution.owner.as_deref());
        }
        self.owners
            .find(parent.and_then(|parent| text(&parent.session)).as_deref())
    }

    /// Changes the displays that an update names.
    fn update(&mut self, content: &[u8], changed: &mut BTreeSet<u64>) {
        let Some(update) = Update::read(content) else {
            return;
        };
        for (number, seq) in self.displays.places(&update.id) {
            let is_new = self.with(number, |execution| {
                execution.log.update(seq, |entry| update.apply(entry))
            });
            if is_new == Some(true) {
                changed.insert(number);
            }
        }
    }
}

#[cfg(test)]
mod tests;
