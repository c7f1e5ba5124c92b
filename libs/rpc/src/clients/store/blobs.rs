//! Blobs, in chunks.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use holdfast_ports::{Blobs, Error, Result};
use holdfast_proto::convert::fields::required;
use holdfast_proto::v1;
use holdfast_proto::v1::get_blob_response::Part as In;
use holdfast_proto::v1::put_blob_request::{Head, Part as Out};
use holdfast_types::BlobRef;
use holdfast_types::payload::BLOB_LIMIT;
use sha2::{Digest, Sha256};
use tonic::Status;

use super::stream as parts;
use super::{Client, RemoteStore, unreadable};
use crate::clients::replicas::Verb;
use crate::status::to_port;

const PUT: Verb = Verb::harmless("put a blob").within(parts::LONG);
const GET: Verb = Verb::harmless("get a blob").within(parts::LONG);

/// The size of a chunk, in bytes.
const CHUNK: usize = 1024 * 1024;

#[async_trait]
impl Blobs for RemoteStore {
    async fn put(&self, content: Vec<u8>, content_type: &str) -> Result<BlobRef> {
        let size = content.len() as u64;
        if size > BLOB_LIMIT {
            return Err(Error::TooLarge { what: "a blob".into(), size, limit: BLOB_LIMIT });
        }
        let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        let head = Head { sha256, size, content_type: content_type.to_owned() };
        let content = Bytes::from(content);
        let put = |channel| {
            let request = parts::request(chunks(head.clone(), content.clone()));
            async { Client::new(channel).put_blob(request).await.map(tonic::Response::into_inner) }
        };
        let answer =
            self.service.attempt(PUT, put).await.map_err(|status: Status| to_port(&status, PUT.what))?;
        required("blob", answer.blob).map_err(unreadable(PUT.what))
    }

    async fn get(&self, sha256: &str) -> Result<Vec<u8>> {
        if !is_digest(sha256) {
            return Err(Error::NotFound { what: format!("blob {sha256}") });
        }
        let get = |channel| {
            let request = parts::request(v1::GetBlobRequest { sha256: sha256.to_owned() });
            async move {
                let messages = Client::new(channel).get_blob(request).await?.into_inner();
                let mut content = Vec::new();
                parts::each(messages, |message| match message.part {
                    Some(In::Chunk(chunk)) => content.extend_from_slice(&chunk),
                    Some(In::Head(head)) => {
                        content.reserve_exact(usize::try_from(head.size.min(BLOB_LIMIT)).unwrap_or(0));
                    }
                    None => {}
                })
                .await?;
                Ok(content)
            }
        };
        self.service.attempt(GET, get).await.map_err(|status| to_port(&status, GET.what))
    }

    async fn collect(&self, limit: u32) -> Result<u32> {
        let pruned = self.prune_all(v1::PruneRequest { blobs: limit, ..Default::default() }).await?;
        Ok(pruned.blobs)
    }
}

fn chunks(head: Head, content: Bytes) -> impl futures::Stream<Item = v1::PutBlobRequest> + Send + 'static {
    let head = std::iter::once(Out::Head(head));
    let mut rest = content;
    let chunks = std::iter::from_fn(move || {
        let chunk = rest.split_to(rest.len().min(CHUNK));
        (!chunk.is_empty()).then_some(Out::Chunk(chunk))
    });
    stream::iter(head.chain(chunks).map(|part| v1::PutBlobRequest { part: Some(part) }))
}

/// Says whether a text is a SHA-256 as the wire writes it.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
