//! What somebody must show to be let in: kept so that nothing prints it, compared so that no time tells of it.

use std::fmt;
use std::hint::black_box;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A text that only those know who may do something. Debug does not show it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// 32 random bytes in base64url.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Whether `given` is the secret. The time it takes tells nothing but the length; nobody knows an empty one.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        !self.0.is_empty() && is_same(self.0.as_bytes(), given)
    }

    /// The secret itself, to be sent or stored.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        is_same(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Looks at every byte, wherever the first differs: without the black boxes a compiler may stop there.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let pairs = one.iter().zip(other);
    let difference = pairs.fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    one.len() == other.len() && black_box(difference) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_random_unseen_and_compared_as_a_whole() {
        let secret = Secret::generate().unwrap();
        let text = secret.reveal();
        assert_eq!(text.len(), 43);
        assert_ne!(secret, Secret::generate().unwrap());
        assert_eq!(secret, Secret::from(text.to_owned()));
        assert!(!format!("{secret:?}").contains(text));
        assert!(secret.is(text.as_bytes()));
        for at in 0..text.len() {
            let mut wrong = text.to_owned().into_bytes();
            wrong[at] ^= 1;
            assert!(!secret.is(&wrong), "{at}");
        }
        for wrong in ["", "x", &text[1..], &text[..42], &format!("{text}x")] {
            assert!(!secret.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(!Secret::from(String::new()).is(b""));
    }
}
