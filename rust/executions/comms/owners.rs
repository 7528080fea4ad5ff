//! Whose a message of the kernel is: that of the user whose request it answers.
//!
//! A kernel's message names the session of its request. Requests tell which user a session belongs to; the last `MOST` sessions
//! are remembered. A session that several users have used belongs to nobody. Must not decide who may see what.
//! Cost: one look-up.

use std::collections::{HashMap, VecDeque};

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Of this user.
    User(Box<str>),
    /// Of all users: the server does not tell them apart.
    All,
    /// It is not known whose it is, or several users have to do with it.
    Nobody,
}

impl Owner {
    /// The owner of what `user` has asked for; None if the server does not tell users apart.
    pub fn of(user: Option<&str>) -> Self {
        user.map_or(Self::All, |user| Self::User(user.into()))
    }

    /// Bytes of memory besides itself.
    pub fn memory(&self) -> usize {
        match self {
            Self::User(user) => user.len(),
            Self::All | Self::Nobody => 0,
        }
    }
}

/// The users of the sessions that sent requests lately.
#[derive(Default)]
pub struct Owners {
    of: HashMap<Box<str>, Owner>,
    order: VecDeque<Box<str>>,
    /// Whether some request had a user.
    told_apart: bool,
}

impl Owners {
    /// A session of this user has sent a request.
    pub fn note(&mut self, session: &str, user: Option<&str>) {
        self.told_apart |= user.is_some();
        let owner = Owner::of(user);
        if let Some(known) = self.of.get_mut(session) {
            if *known != owner {
                *known = Owner::Nobody;
            }
            return;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
        self.order.push_back(session.into());
        self.of.insert(session.into(), owner);
    }

    /// Whose the requests of a session are.
    pub fn find(&self, session: Option<&str>) -> Owner {
        let known = session.and_then(|session| self.of.get(session)).cloned();
        known.unwrap_or(if self.told_apart { Owner::Nobody } else { Owner::All })
    }
}

/// Far more sessions than have requests at a time.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_belongs_to_the_user_who_used_it() {
        let mut owners = Owners::default();
        assert_eq!(owners.find(Some("a")), Owner::All, "no request had a user");
        owners.note("a", Some("ada"));
        owners.note("b", Some("bob"));
        owners.note("a", Some("ada"));
        assert_eq!(owners.find(Some("a")), Owner::User("ada".into()));
        assert_eq!(owners.find(Some("c")), Owner::Nobody);
        assert_eq!(owners.find(None), Owner::Nobody);
        owners.note("a", Some("bob"));
        owners.note("a", Some("ada"));
        assert_eq!(owners.find(Some("a")), Owner::Nobody, "two users have used it");
    }

    #[test]
    fn where_users_are_not_told_apart_everything_is_of_all() {
        let mut owners = Owners::default();
        owners.note("a", None);
        assert_eq!(owners.find(Some("a")), Owner::All);
        assert_eq!(
            owners.find(Some("of a client that does not use this server")),
            Owner::All
        );
    }

    #[test]
    fn the_last_sessions_are_remembered() {
        let mut owners = Owners::default();
        for number in 0..=MOST {
            owners.note(&number.to_string(), Some("ada"));
        }
        assert_eq!(owners.find(Some("0")), Owner::Nobody);
        assert_eq!(owners.find(Some("1")), Owner::User("ada".into()));
        assert_eq!((owners.of.len(), owners.order.len()), (MOST, MOST));
    }
}
