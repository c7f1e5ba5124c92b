//! Blobs: content by its digest, kept while something refers to it, and a day longer.

use async_trait::async_trait;
use holdfast_ports::{Blobs, Error, Result};
use holdfast_types::payload::BLOB_LIMIT;
use holdfast_types::{BlobRef, Payload, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::PostgresStore;
use super::failed::{Bounded, Context, Failed};
use super::rows;
use super::tx::{Tx, Write};
use crate::content::{UNTOUCHED, digest};

struct Put {
    sha256: Vec<u8>,
    content: Vec<u8>,
}

#[async_trait]
impl Write for Put {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        let now = tx.now.micros();
        let touched = sqlx::query("UPDATE blobs SET touched_at = $1 WHERE sha256 = $2")
            .bind(now)
            .bind(&self.sha256)
            .execute(&mut *tx.connection)
            .await?;
        if touched.rows_affected() > 0 {
            return Ok(());
        }
        let new = sqlx::query(
            "INSERT INTO blobs (sha256, size, touched_at) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(&self.sha256)
        .bind(rows::integer(self.content.len() as u64))
        .bind(now)
        .execute(&mut *tx.connection)
        .await?;
        if new.rows_affected() == 0 {
            return Err(Failed::Raced);
        }
        sqlx::query("INSERT INTO blob_contents (sha256, content) VALUES ($1, $2)")
            .bind(&self.sha256)
            .bind(&self.content)
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

struct Collect(u32);

/// What every loose blob is.
const LOOSE: &str = "NOT EXISTS (SELECT 1 FROM blob_refs r WHERE r.sha256 = b.sha256) \
     AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.blob = b.sha256 AND k.blob IS NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM last_good l WHERE l.blob = b.sha256 AND l.blob IS NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM key_evidence e WHERE e.blob = b.sha256 AND e.blob IS NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM checkpoints c WHERE c.blob = b.sha256 AND c.blob IS NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM checkpoint_writes w WHERE w.blob = b.sha256 AND w.blob IS NOT NULL)";

#[async_trait]
impl Write for Collect {
    type Answer = u32;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u32, Failed> {
        let before = tx.now.micros().saturating_sub(Timestamp::default().after(UNTOUCHED).micros());
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT b.sha256 FROM blobs b WHERE b.touched_at < $1 AND {LOOSE} ORDER BY b.touched_at LIMIT $2 \
             FOR UPDATE OF b SKIP LOCKED"
        )))
        .bind(before)
        .bind(i64::from(self.0))
        .fetch_all(&mut *tx.connection)
        .await?;
        let found = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Vec<u8>>, _>>()?;
        if found.is_empty() {
            return Ok(0);
        }
        // Whoever refers to a blob holds its row until the reference stands: under the lock, ask again.
        let gone = sqlx::query(AssertSqlSafe(format!(
            "DELETE FROM blobs b WHERE b.sha256 = ANY($1::bytea[]) AND {LOOSE}"
        )))
        .bind(found)
        .execute(&mut *tx.connection)
        .await?;
        Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Blobs for PostgresStore {
    async fn put(&self, content: Vec<u8>, content_type: &str) -> Result<BlobRef> {
        let size = content.len() as u64;
        if size > BLOB_LIMIT {
            return Err(Error::TooLarge { what: "the blob".to_owned(), size, limit: BLOB_LIMIT });
        }
        let (content, sha256) = digest(content).await?;
        let blob = BlobRef { sha256: hex::encode(&sha256), size, content_type: content_type.to_owned() };
        self.write(Put { sha256, content }).await?;
        Ok(blob)
    }

    async fn get(&self, sha256: &str) -> Result<Vec<u8>> {
        let missing =
            || Error::NotFound { what: format!("blob {}", sha256.chars().take(64).collect::<String>()) };
        let wanted = rows::sha256(sha256).ok_or_else(missing)?;
        let row = sqlx::query("SELECT content FROM blob_contents WHERE sha256 = $1")
            .bind(&wanted)
            .fetch_optional(self.pool())
            .bounded(self.silence(), "blobs")
            .await?
            .ok_or_else(missing)?;
        let (content, found) = digest(row.try_get(0).of("blobs")?).await?;
        if found != wanted {
            return Err(rows::corrupt("a blob", "its content has another digest"));
        }
        Ok(content)
    }

    async fn collect(&self, limit: u32) -> Result<u32> {
        self.write(Collect(limit)).await
    }
}

/// The name of the blob that a payload refers to, if it does; it stays until the transaction ends.
pub(super) async fn require(
    connection: &mut PgConnection,
    payload: &Payload,
) -> Result<Option<Vec<u8>>, Failed> {
    let Some(blob) = payload.as_blob() else { return Ok(None) };
    require_digest(connection, &blob.sha256).await.map(Some)
}

/// The bytes of a stored blob's name; the blob stays until the transaction ends.
pub(super) async fn require_digest(connection: &mut PgConnection, name: &str) -> Result<Vec<u8>, Failed> {
    let missing = || Error::NotFound { what: format!("blob {name}") };
    let sha256 = rows::sha256(name).ok_or_else(missing)?;
    let found = sqlx::query("SELECT 1 FROM blobs WHERE sha256 = $1 FOR KEY SHARE")
        .bind(&sha256)
        .fetch_optional(connection)
        .await?;
    found.ok_or_else(missing)?;
    Ok(sha256)
}
