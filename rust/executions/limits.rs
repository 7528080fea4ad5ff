//! The limits of a journal, and what is given up when one is exceeded.
//!
//! Finished executions are forgotten, the oldest first; the last one that is left stays. If that is not enough, the oldest
//! execution loses output: the middle of its text, while all text takes more than half of the memory limit, then its displays.
//! Then the next one does. If the memory is still full, all output is dropped, then all prompts. Widgets have limits of their
//! own, and at most half of the memory. Must not forget an open
//! execution: its output would have no place.
//! Cost: O(log n) for each execution that is forgotten; O(n) to find old ones, when one is due.

use super::execution::Execution;
use super::journal::{Config, Journal};

impl Journal {
    /// Replaces the limits.
    pub fn configure(&mut self, config: Config) {
        (self.config, self.due) = (config, 0.0);
        self.enforce();
    }

    /// Forgets executions that have finished longer ago than the limit.
    pub fn forget_old(&mut self, now: f64) {
        if now < self.due {
            return;
        }
        let age = self.config.age;
        let finished = |execution: &Execution| execution.times[2];
        let old = self
            .iter()
            .filter(|(_, execution)| finished(execution).is_some_and(|finished| finished + age < now));
        let old: Vec<u64> = old.map(|(number, _)| number).collect();
        for number in old {
            self.remove(number);
        }
        // An execution that finishes after `now` is not due before `now + age`
        self.due = self
            .iter()
            .filter_map(|(_, execution)| finished(execution))
            .fold(now, f64::min)
            + age;
    }

    /// Forgets the oldest finished execution. False: there is none.
    pub fn forget_oldest(&mut self) -> bool {
        let finished = self.executions.iter().find(|(_, execution)| execution.state.is_over());
        finished
            .map(|(number, _)| *number)
            .is_some_and(|number| self.remove(number))
    }

    /// Forgets the finished executions of a cell that its owner runs again.
    pub(super) fn forget_runs_of(&mut self, cell: &str, owner: Option<&str>) {
        let runs = self.cells.range((Box::from(cell), 0)..);
        let runs: Vec<u64> = runs
            .take_while(|(of, _)| &**of == cell)
            .map(|(_, number)| *number)
            .collect();
        for number in runs {
            let ends = |execution: &Execution| execution.state.is_over() && execution.owner.as_deref() == owner;
            if self.get(number).is_some_and(ends) {
                self.remove(number);
            }
        }
    }

    /// Brings the journal within its limits.
    pub(super) fn enforce(&mut self) {
        // Executions always have the other half
        self.comms.enforce(self.config.memory / 2);
        while self.executions.len() > self.config.executions && self.forget_oldest() {}
        while self.is_full() && self.executions.len() > 1 && self.forget_oldest() {}
        let text_limit = self.config.memory / 2;
        self.drop_while_full(|execution| execution.log.drop_one(text_limit));
        self.drop_while_full(|execution| execution.log.drop_all());
        self.drop_while_full(|execution| execution.take_prompt().is_some());
    }

    pub(super) fn is_full(&self) -> bool {
        self.memory() > self.config.memory
    }

    /// Applies `drop` to each execution as often as it drops something, the oldest first, while the memory is over its limit.
    fn drop_while_full(&mut self, mut drop: impl FnMut(&mut Execution) -> bool) {
        let mut from = 0;
        while self.is_full()
            && let Some((&number, _)) = self.executions.range(from..).next()
        {
            if self.with(number, &mut drop) != Some(true) {
                from = number + 1;
            }
        }
    }
}

#[cfg(test)]
mod buffer_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod tests;
