//! The place at which replicas of `health` meet: who decides about the breakers, what it has published, and what the
//! others pass on to it.
//!
//! Three keys with one hash tag, so that each script touches one slot. What is lost with Redis is said again: the owner
//! publishes with every word, and a letter that is lost is a report that is lost.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::redis::Script;
use async_trait::async_trait;
use holdfast_ports::{BreakerShare, Error, Result, ShareAnswer, ShareRole, ShareWord, Vacancy};

use super::config::RedisConfig;
use super::error::RedisError;
use super::link::Link;
use super::script;

static EXCHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/share.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/share_leave.lua")));

/// The place at which replicas of `health` meet, in Redis.
pub struct RedisBreakers {
    link: Arc<Link>,
    place: String,
}

/// As the script answers: role, board, its age in ms, letters, who is present.
type Raw = (String, Option<Vec<u8>>, u64, Vec<Vec<u8>>, Vec<Vec<u8>>);

impl RedisBreakers {
    /// Reads the settings; connects at the first use.
    ///
    /// # Errors
    /// [`RedisError`] where a setting is wrong.
    pub fn new(config: &RedisConfig) -> std::result::Result<Self, RedisError> {
        script::check_prefix(&config.prefix)?;
        Ok(Self { link: Link::new(config)?, place: format!("{}:breakers:{{board}}", config.prefix) })
    }

    fn letters(&self) -> String {
        format!("{}:letters", self.place)
    }

    fn watchers(&self) -> String {
        format!("{}:watchers", self.place)
    }
}

#[async_trait]
impl BreakerShare for RedisBreakers {
    async fn exchange(&self, word: ShareWord) -> Result<ShareAnswer> {
        let vacancy = match word.vacancy {
            Vacancy::Take => "TAKE",
            Vacancy::Leave => "LEAVE",
        };
        let answer: std::result::Result<Raw, _> = self
            .link
            .run(async |mut connection| {
                let mut call = EXCHANGE.key(&self.place);
                call.key(self.letters()).key(self.watchers());
                call.arg(&word.replica).arg(script::millis(word.lease)).arg(vacancy);
                call.arg(word.board.as_deref().unwrap_or_default()).arg(&word.present);
                for letter in &word.letters {
                    call.arg(letter);
                }
                call.invoke_async(&mut connection).await
            })
            .await;
        let (role, board, age, letters, present) = answer.map_err(|lost| lost.of("the shared breakers"))?;
        let role = match role.as_str() {
            "OWNER" => ShareRole::Owner,
            "NEW_OWNER" => ShareRole::NewOwner,
            "FOLLOWER" => ShareRole::Follower,
            "NOBODY" => ShareRole::Nobody,
            other => {
                let why = format!("'{other}' is no role");
                return Err(Error::Corrupt { what: "the shared breakers".to_owned(), why });
            }
        };
        let board = board.map(|board| (board, Duration::from_millis(age)));
        Ok(ShareAnswer { role, board, letters, present })
    }

    async fn leave(&self, replica: &str) -> Result<()> {
        let answer: std::result::Result<String, _> = self
            .link
            .run(async |mut connection| {
                let mut call = LEAVE.key(&self.place);
                call.key(self.watchers()).arg(replica);
                call.invoke_async(&mut connection).await
            })
            .await;
        answer.map(drop).map_err(|lost| lost.of("the shared breakers"))
    }
}
