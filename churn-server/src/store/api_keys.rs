//! API keys: their digests, organizations and roles.

use sqlx::FromRow;

use super::{PageQuery, Paged, Store, Tx, on_pool, on_tx};
use crate::auth::Role;
use crate::error::{ApiError, Result};
use crate::time::Stamp;

/// A row of `api_keys`.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ApiKey {
    /// Id of the key.
    pub id: String,
    /// The organization that the key gives access to.
    pub org_id: String,
    /// Name of the key, for people.
    pub name: String,
    /// Role of the key.
    pub role: Role,
    /// First characters of the key.
    pub prefix: String,
    /// Time of creation.
    pub created_at: Stamp,
    /// Time of expiry; None for a key that never expires.
    pub expires_at: Option<Stamp>,
    /// Time of revocation; None if the key was not revoked.
    pub revoked_at: Option<Stamp>,
}

/// A key to be stored. Of the key itself only the digest is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewApiKey<'a> {
    /// Id of the key.
    pub id: &'a str,
    /// The organization that the key gives access to.
    pub org_id: &'a str,
    /// Name of the key, for people.
    pub name: &'a str,
    /// Role of the key.
    pub role: Role,
    /// First characters of the key.
    pub prefix: &'a str,
    /// SHA-256 of the key, in hexadecimal.
    pub digest: &'a str,
    /// Time of expiry; None for a key that never expires.
    pub expires_at: Option<Stamp>,
}

impl Store {
    /// Returns the key with this digest, even if it is revoked or expired.
    pub async fn api_key_by_digest(&self, digest: &str) -> Result<Option<ApiKey>> {
        const SQL: &str = "SELECT * FROM api_keys WHERE digest = $1";
        Ok(
            on_pool!(self.reachable_pool()?, db => sqlx::query_as::<_, ApiKey>(SQL).bind(digest).fetch_optional(db).await)?,
        )
    }

    /// Returns a key of an organization.
    ///
    /// # Errors
    /// `key_not_found`.
    pub async fn api_key(&self, org_id: &str, id: &str) -> Result<ApiKey> {
        const SQL: &str = "SELECT * FROM api_keys WHERE org_id = $1 AND id = $2";
        let found = on_pool!(self.reachable_pool()?, db => sqlx::query_as::<_, ApiKey>(SQL).bind(org_id).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| {
            ApiError::not_found("key_not_found", format!("the organization {org_id:?} has no key {id:?}"))
        })
    }

    /// Returns the keys of an organization, newest first.
    pub async fn api_keys(&self, org_id: &str, page: PageQuery) -> Result<Paged<ApiKey>> {
        const COUNT: &str = "SELECT COUNT(*) FROM api_keys WHERE org_id = $1";
        const SQL: &str =
            "SELECT * FROM api_keys WHERE org_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3";
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).fetch_one(db).await?,
            sqlx::query_as::<_, ApiKey>(SQL).bind(org_id).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }
}

impl Tx {
    /// Inserts a new key.
    pub async fn insert_api_key(&mut self, new: &NewApiKey<'_>) -> Result<()> {
        const SQL: &str = "INSERT INTO api_keys (id, org_id, name, role, prefix, digest, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        on_tx!(self, db => sqlx::query(SQL)
            .bind(new.id).bind(new.org_id).bind(new.name).bind(new.role).bind(new.prefix).bind(new.digest)
            .bind(Stamp::now()).bind(new.expires_at).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Revokes a key. A key that is already revoked keeps its time.
    pub async fn revoke_api_key(&mut self, id: &str) -> Result<()> {
        const SQL: &str = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }
}
