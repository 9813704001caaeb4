//! Names that are kept: what was asked for once is not looked up again.

use std::collections::{BTreeSet, HashMap};

use super::{Answers, ModuleKey, Places, Wanted, resolve};

/// All names that were wanted so far.
pub struct Known {
    answers: Answers,
    /// Addresses that were asked for, those without a name too.
    asked: HashMap<ModuleKey, BTreeSet<u64>>,
}

impl Known {
    /// Nothing yet.
    pub fn new() -> Known {
        Known { answers: resolve(HashMap::new(), &Places::system()), asked: HashMap::new() }
    }

    /// The names of code at these addresses, and of all that were wanted before.
    pub fn of(&mut self, mut requests: HashMap<ModuleKey, Wanted>) -> &Answers {
        requests.retain(|key, wanted| {
            let asked = self.asked.entry(key.clone()).or_default();
            wanted.code.retain(|address| asked.insert(*address));
            !wanted.code.is_empty()
        });
        if !requests.is_empty() {
            for (key, answer) in resolve(requests, &Places::system()) {
                match self.answers.get_mut(&key) {
                    Some(mut known) => known.names.extend(answer.names),
                    None => _ = self.answers.insert(key, answer),
                }
            }
        }
        &self.answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_stays_named_and_is_not_looked_up_again() {
        let path = std::env::current_exe().unwrap();
        let build_id = super::super::elf::ElfFile::open(&path).unwrap().build_id();
        let main = super::super::exported(&path, "main").unwrap();
        let key = ModuleKey { path, build_id };
        let ask = |known: &mut Known, address: u64| {
            let wanted = Wanted { code: [address].into(), ..Wanted::default() };
            let answers = known.of([(key.clone(), wanted)].into());
            answers.get(&key).map(|answer| answer.names.len())
        };
        let mut known = Known::new();
        assert_eq!(ask(&mut known, main), Some(1));
        assert_eq!(ask(&mut known, main), Some(1));
        assert_eq!(ask(&mut known, main + 1), Some(2));
        assert_eq!(known.asked.values().map(BTreeSet::len).sum::<usize>(), 2);
    }
}
