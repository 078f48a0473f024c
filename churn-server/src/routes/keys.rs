//! API keys of an organization: create, list, revoke.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Admin, KEY_PREFIX, Role, Tenant, digest, new_key};
use crate::error::{ApiError, Result};
use crate::extract::{Json, KeyPath, Path, Query, checked_text, new_id};
use crate::state::AppState;
use crate::store::{ApiKey, NewApiKey, PageQuery, Store};
use crate::time::Stamp;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// An API key without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct KeyAnswer {
    key_id: String,
    #[schema(example = "crm")]
    name: String,
    role: Role,
    /// First characters of the key.
    #[schema(example = "churn_AbCd")]
    prefix: String,
    created_at: Stamp,
    expires_at: Option<Stamp>,
    revoked_at: Option<Stamp>,
}

impl From<ApiKey> for KeyAnswer {
    fn from(row: ApiKey) -> Self {
        KeyAnswer {
            key_id: row.id,
            name: row.name,
            role: row.role,
            prefix: row.prefix,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct KeyList {
    total: i64,
    limit: i64,
    offset: i64,
    api_keys: Vec<KeyAnswer>,
}

/// The keys, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/api-keys", tag = "api keys", params(PageQuery), responses((status = 200, body = KeyList)))]
async fn list(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> Result<Json<KeyList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.api_keys(&tenant.org_id, page).await?;
    let api_keys = found.rows.into_iter().map(KeyAnswer::from).collect();
    Ok(Json(KeyList { total: found.total, limit: page.limit, offset: page.offset, api_keys }))
}

/// Request to create an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// Name of the key, for people.
    #[schema(min_length = 1, max_length = 200, example = "crm")]
    name: String,
    role: Role,
    /// Time at which the key expires. A key without it never expires.
    #[serde(default)]
    expires_at: Option<Stamp>,
}

/// Response to the creation of a key.
#[derive(Debug, Serialize, ToSchema)]
struct MadeKey {
    #[serde(flatten)]
    about: KeyAnswer,
    /// The key itself. It is shown only this once; the server stores only its digest.
    #[schema(example = "churn_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE")]
    key: String,
}

/// Make a key
#[utoipa::path(post, path = "/organizations/{org_id}/api-keys", tag = "api keys", request_body = NewKey, responses((status = 201, body = MadeKey)))]
async fn create(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>)> {
    let name = checked_text("name", &new.name, 200)?;
    if let Some(end) = new.expires_at
        && end <= Stamp::now()
    {
        return Err(ApiError::bad_request("invalid_parameter", format!("expires_at is {end}, which is over")));
    }
    state.store.organization(&tenant.org_id).await?;
    let (row, key) = make(&state.store, &tenant.org_id, name, new.role, new.expires_at).await?;
    Ok((StatusCode::CREATED, Json(MadeKey { about: row.into(), key })))
}

/// Creates a key and stores its digest.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn make(
    store: &Store,
    org_id: &str,
    name: &str,
    role: Role,
    expires_at: Option<Stamp>,
) -> Result<(ApiKey, String)> {
    let (id, key) = (new_id(), new_key()?);
    let prefix = &key[..KEY_PREFIX.len() + 4];
    let mut tx = store.begin().await?;
    tx.insert_api_key(&NewApiKey { id: &id, org_id, name, role, prefix, digest: &digest(&key), expires_at }).await?;
    tx.commit().await?;
    Ok((store.api_key(org_id, &id).await?, key))
}

/// Revoke a key
///
/// Takes effect at once on this server, within ten seconds on others.
#[utoipa::path(delete, path = "/organizations/{org_id}/api-keys/{key_id}", tag = "api keys", responses((status = 204)))]
async fn revoke(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Path(KeyPath { key_id }): Path<KeyPath>,
) -> Result<StatusCode> {
    let key = state.store.api_key(&tenant.org_id, &key_id.to_string()).await?;
    let mut tx = state.store.begin().await?;
    tx.revoke_api_key(&key.id).await?;
    tx.commit().await?;
    state.auth.forget_keys();
    Ok(StatusCode::NO_CONTENT)
}
