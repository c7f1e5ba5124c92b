//! Blobs in chunks: `PutBlob` and `GetBlob`.

use futures::stream::{self, BoxStream, StreamExt};
use holdfast_ports::Error as Port;
use holdfast_proto::convert::fields::{sha256, some_text};
use holdfast_proto::v1::get_blob_response::Part as Out;
use holdfast_proto::v1::put_blob_request::{Head, Part};
use holdfast_proto::{Invalid, v1};
use holdfast_types::BlobRef;
use holdfast_types::payload::BLOB_LIMIT;
use prost::bytes::Bytes;
use sha2::{Digest, Sha256};
use tonic::{Status, Streaming};

use crate::{Checkpoint, Error};

/// The largest chunk, in bytes.
const CHUNK: usize = 1024 * 1024;

/// The type of content whose type the store does not keep: who refers to a blob keeps it.
const CONTENT_TYPE: &str = "application/octet-stream";

pub(crate) async fn put(
    service: &Checkpoint,
    mut parts: Streaming<v1::PutBlobRequest>,
) -> Result<v1::PutBlobResponse, Error> {
    let head = head(next(&mut parts).await?)?;
    let memory = u32::try_from(head.size.div_ceil(CHUNK as u64)).unwrap_or(u32::MAX);
    // Nobody closes the semaphore; if somebody did there would be nothing to wait for.
    let _memory = service.blob_memory.acquire_many(memory).await.ok();
    let mut upload = Upload { content: Vec::new(), hash: Sha256::new(), head };
    if upload.take(next(&mut parts).await?)? {
        if let Some(content) = stored(service, &upload.head).await? {
            return keep(service, upload.head, content, true).await;
        }
        while upload.take(next(&mut parts).await?)? {}
    }
    let (head, content) = upload.end()?;
    let existed = content.len() <= CHUNK && stored(service, &head).await?.is_some();
    keep(service, head, content, existed).await
}

async fn next(parts: &mut Streaming<v1::PutBlobRequest>) -> Result<Option<Part>, Error> {
    match parts.message().await? {
        None => Ok(None),
        Some(v1::PutBlobRequest { part: Some(part) }) => Ok(Some(part)),
        Some(v1::PutBlobRequest { part: None }) => Err(Invalid::missing("part", "a head or a chunk").into()),
    }
}

fn head(part: Option<Part>) -> Result<BlobRef, Error> {
    let Some(Part::Head(Head { sha256: digest, size, content_type })) = part else {
        return Err(Invalid::missing("head", "the head as the first message").into());
    };
    if size > BLOB_LIMIT {
        return Err(Error::TooLarge { field: "head.size".into(), size, limit: BLOB_LIMIT, instead: "" });
    }
    Ok(BlobRef {
        sha256: sha256("head.sha256", digest)?,
        size,
        content_type: some_text("head.content_type", content_type)?,
    })
}

/// The content, if it is there already; what is stored broken is stored again.
async fn stored(service: &Checkpoint, head: &BlobRef) -> Result<Option<Vec<u8>>, Error> {
    match service.deps.blobs.get(&head.sha256).await {
        Ok(content) if content.len() as u64 == head.size => Ok(Some(content)),
        Ok(content) => {
            let expected = format!("the length of the stored content, {}", content.len());
            Err(Invalid::new("head.size", head.size, expected).into())
        }
        Err(Port::NotFound { .. } | Port::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Stores content, or touches it.
async fn keep(
    service: &Checkpoint,
    head: BlobRef,
    content: Vec<u8>,
    existed: bool,
) -> Result<v1::PutBlobResponse, Error> {
    let blob = service.deps.blobs.put(content, &head.content_type).await?;
    Ok(v1::PutBlobResponse { blob: Some(blob.into()), existed })
}

struct Upload {
    head: BlobRef,
    content: Vec<u8>,
    hash: Sha256,
}

impl Upload {
    /// Takes a chunk; says no at the end.
    fn take(&mut self, part: Option<Part>) -> Result<bool, Error> {
        let chunk = match part {
            None => return Ok(false),
            Some(Part::Head(_)) => {
                return Err(Invalid::hidden("head", "one head, as the first message").into());
            }
            Some(Part::Chunk(chunk)) => chunk,
        };
        if chunk.len() > CHUNK {
            return Err(
                Invalid::new("chunk", format!("{} bytes", chunk.len()), format!("at most {CHUNK}")).into()
            );
        }
        if (self.content.len() + chunk.len()) as u64 > self.head.size {
            return Err(Invalid::new(
                "head.size",
                self.head.size,
                "the length of the content, which is more",
            )
            .into());
        }
        self.hash.update(&chunk);
        self.content.extend_from_slice(&chunk);
        Ok(true)
    }

    /// Checks that the content is what the head says.
    fn end(self) -> Result<(BlobRef, Vec<u8>), Error> {
        if self.content.len() as u64 != self.head.size {
            let expected = format!("the length of the content, {}", self.content.len());
            return Err(Invalid::new("head.size", self.head.size, expected).into());
        }
        let found: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != self.head.sha256 {
            return Err(Invalid::new(
                "head.sha256",
                self.head.sha256,
                format!("the content's hash, {found}"),
            )
            .into());
        }
        Ok((self.head, self.content))
    }
}

type Parts = BoxStream<'static, Result<v1::GetBlobResponse, Status>>;

pub(crate) async fn get(service: &Checkpoint, wire: v1::GetBlobRequest) -> Result<Parts, Error> {
    let sha256 = sha256("sha256", wire.sha256)?;
    let content = match service.deps.blobs.get(&sha256).await {
        Ok(content) => content,
        Err(Port::Corrupt { what, why }) => {
            tracing::error!(sha256, why, "a stored blob can't be read");
            return Err(Error::DataLoss { what });
        }
        Err(error) => return Err(error.into()),
    };
    let size = content.len() as u64;
    let head = BlobRef { sha256, size, content_type: CONTENT_TYPE.to_owned() };
    let part = |part| Ok(v1::GetBlobResponse { part: Some(part) });
    let chunks = stream::unfold(Bytes::from(content), |mut rest| async move {
        let chunk = rest.split_to(rest.len().min(CHUNK));
        (!chunk.is_empty()).then_some((chunk, rest))
    });
    let chunks = chunks.map(move |chunk| part(Out::Chunk(chunk)));
    Ok(stream::iter([part(Out::Head(head.into()))]).chain(chunks).boxed())
}
