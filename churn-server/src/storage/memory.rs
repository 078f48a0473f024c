//! Objects in memory, for tests: the simplest implementation that keeps the guarantees of the trait.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::{Bucket, ByteStream, Content, Head, Listed, Location, Result, Storage, clip, next_piece, not_found};

/// Storage that is lost with the process.
#[derive(Debug, Default)]
pub struct Memory {
    objects: RwLock<BTreeMap<Location, (Bytes, SystemTime)>>,
}

impl Memory {
    fn read(&self, at: &Location) -> Result<(Bytes, SystemTime)> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(at).cloned().ok_or_else(|| not_found(at))
    }
}

#[async_trait]
impl Storage for Memory {
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn put(&self, at: &Location, _: &str, mut body: ByteStream<'_>, max_bytes: u64) -> Result<u64> {
        let (mut all, mut size) = (BytesMut::new(), 0);
        while let Some(piece) = next_piece(&mut body, &mut size, max_bytes).await? {
            all.extend_from_slice(&piece);
        }
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        objects.insert(at.clone(), (all.freeze(), SystemTime::now()));
        Ok(size)
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        Ok(Content::of(self.read(at)?.0))
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        let (bytes, _) = self.read(at)?;
        let range = clip(at, range, bytes.len() as u64)?;
        Ok(Content::of(bytes.slice(range.start as usize..range.end as usize)))
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        let (bytes, modified) = self.read(at)?;
        Ok(Head { size: bytes.len() as u64, modified })
    }

    async fn delete(&self, at: &Location) -> Result<bool> {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        Ok(objects.remove(at).is_some())
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let within = objects.iter().filter(|(at, _)| at.bucket() == bucket && at.key().starts_with(prefix));
        Ok(within
            .map(|(at, (bytes, modified))| Listed {
                location: at.clone(),
                size: bytes.len() as u64,
                modified: *modified,
            })
            .collect())
    }

    async fn check(&self, _: &[Location]) -> Result<()> {
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        Ok(0)
    }
}
