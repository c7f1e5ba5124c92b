//! Blobs: content by its digest, kept while something refers to it, and a day longer.

use async_trait::async_trait;
use holdfast_ports::{Blobs, Error, Result};
use holdfast_types::payload::BLOB_LIMIT;
use holdfast_types::{BlobRef, Payload, Timestamp};
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::failed::{Context, Failed};
use super::rows;
use super::writer::{Tx, Write};
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
        let connection = tx.open().await?;
        let touched = sqlx::query("UPDATE blobs SET touched_at = ? WHERE sha256 = ?")
            .bind(now)
            .bind(&self.sha256)
            .execute(&mut *connection)
            .await?;
        if touched.rows_affected() > 0 {
            return Ok(());
        }
        let no: i64 =
            sqlx::query_scalar("INSERT INTO blobs (sha256, size, touched_at) VALUES (?, ?, ?) RETURNING no")
                .bind(&self.sha256)
                .bind(rows::integer(self.content.len() as u64))
                .bind(now)
                .fetch_one(&mut *connection)
                .await?;
        sqlx::query("INSERT INTO blob_contents (blob, content) VALUES (?, ?)")
            .bind(no)
            .bind(&self.content)
            .execute(connection)
            .await?;
        Ok(())
    }
}

struct Collect(u32);

#[async_trait]
impl Write for Collect {
    type Answer = u32;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u32, Failed> {
        let before = tx.now.micros().saturating_sub(Timestamp::default().after(UNTOUCHED).micros());
        let gone = sqlx::query(
            "DELETE FROM blobs WHERE no IN (SELECT b.no FROM blobs b WHERE b.touched_at < ? \
             AND NOT EXISTS (SELECT 1 FROM blob_refs r WHERE r.blob = b.no) \
             AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.blob = b.no AND k.blob IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM key_evidence e WHERE e.blob = b.no AND e.blob IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM last_good l WHERE l.blob = b.no AND l.blob IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM checkpoints c WHERE c.blob = b.no AND c.blob IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM checkpoint_writes w WHERE w.blob = b.no AND w.blob IS NOT NULL) \
             ORDER BY b.touched_at LIMIT ?)",
        )
        .bind(before)
        .bind(self.0)
        .execute(tx.open().await?)
        .await?;
        Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Blobs for SqliteStore {
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
        let row = sqlx::query(
            "SELECT c.content FROM blobs b JOIN blob_contents c ON c.blob = b.no WHERE b.sha256 = ?",
        )
        .bind(&wanted)
        .fetch_optional(self.readers())
        .await
        .of("blobs")?
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

/// The number of the blob that a payload refers to, if it does.
pub(super) async fn require(
    connection: &mut SqliteConnection,
    payload: &Payload,
) -> Result<Option<i64>, Failed> {
    let Some(blob) = payload.as_blob() else { return Ok(None) };
    let missing = || Error::NotFound { what: format!("blob {}", blob.sha256) };
    let sha256 = rows::sha256(&blob.sha256).ok_or_else(missing)?;
    let no: Option<i64> = sqlx::query_scalar("SELECT no FROM blobs WHERE sha256 = ?")
        .bind(sha256)
        .fetch_optional(connection)
        .await?;
    Ok(Some(no.ok_or_else(missing)?))
}
