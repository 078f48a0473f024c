//! Slots shared by all organizations, limited in total and per organization, so that none takes the slots of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A limited number of slots, with a limit per organization. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Shares(Arc<Held>);

#[derive(Debug)]
struct Held {
    all: usize,
    each: usize,
    /// Slots in use: in total, and by organization. No entry has 0.
    taken: Mutex<(usize, HashMap<String, usize>)>,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// The limit of the organization.
    Own(usize),
    /// The total limit.
    All(usize),
}

/// A slot in use; dropping it frees the slot.
#[derive(Debug)]
pub struct SlotGuard {
    held: Arc<Held>,
    org_id: String,
}

impl Shares {
    /// Creates a limit of `all` slots in total and `each` slots per organization.
    pub fn new(all: usize, each: usize) -> Self {
        Shares(Arc::new(Held { all, each, taken: Mutex::default() }))
    }

    /// Takes a slot for an organization.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn take(&self, org_id: &str) -> Result<SlotGuard, LimitReached> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_organization) = &mut *taken;
        let own = by_organization.get(org_id).copied().unwrap_or(0);
        if own >= self.0.each {
            return Err(LimitReached::Own(self.0.each));
        }
        if *all >= self.0.all {
            return Err(LimitReached::All(self.0.all));
        }
        *all += 1;
        by_organization.insert(org_id.to_owned(), own + 1);
        Ok(SlotGuard { held: Arc::clone(&self.0), org_id: org_id.to_owned() })
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut taken = self.held.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_organization) = &mut *taken;
        *all -= 1;
        match by_organization.get_mut(&self.org_id) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                by_organization.remove(&self.org_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organization_leaves_room_for_the_others() {
        let shares = Shares::new(3, 2);
        let greedy = [shares.take("a").expect("is free"), shares.take("a").expect("is free")];
        assert_eq!(shares.take("a").expect_err("has its part"), LimitReached::Own(2));
        let other = shares.take("b").expect("is free");
        assert_eq!(shares.take("c").expect_err("all are taken"), LimitReached::All(3));
        drop(other);
        drop(greedy);
        assert_eq!(*shares.0.taken.lock().expect("is free"), (0, HashMap::new()));
        assert!(shares.take("a").is_ok());
    }
}
