//! Organizations and their settings, and the rights of a token.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Admin, Caller, PLATFORM, Read, Role, Tenant, is_organization_id};
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{Json, Query, checked_text};
use crate::state::AppState;
use crate::store::{Organization, PageQuery, Settings};
use crate::time::Stamp;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(session))
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(change_settings))
}

/// Rights of the token of this request.
#[derive(Debug, Serialize, ToSchema)]
struct Session {
    /// `open` if no token is needed, `token` if one is.
    #[schema(example = "token")]
    auth: &'static str,
    /// The organization, or `*` for all; null if the token names none.
    organization_id: Option<String>,
    role: Role,
    /// Version of the server.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// True if `/browser/` serves the page that works in the browser alone.
    browser_page: bool,
}

/// The rights of this token
#[utoipa::path(get, path = "/session", tag = "organizations", responses((status = 200, body = Session)))]
async fn session(Caller(principal): Caller, State(state): State<AppState>) -> Json<Session> {
    Json(Session {
        auth: if state.auth.is_open() { "open" } else { "token" },
        organization_id: principal.organization,
        role: principal.role,
        version: env!("CARGO_PKG_VERSION"),
        browser_page: state.config.browser_dir.is_some(),
    })
}

/// An organization.
#[derive(Debug, Serialize, ToSchema)]
struct OrganizationAnswer {
    #[schema(example = "acme")]
    organization_id: String,
    #[schema(example = "Acme Inc")]
    name: String,
    created_at: Stamp,
    settings: Settings,
}

impl From<Organization> for OrganizationAnswer {
    fn from(row: Organization) -> Self {
        OrganizationAnswer {
            organization_id: row.id,
            name: row.name,
            created_at: row.created_at,
            settings: row.settings.0,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct OrganizationList {
    total: i64,
    limit: i64,
    offset: i64,
    organizations: Vec<OrganizationAnswer>,
}

/// The organizations that this token may access
#[utoipa::path(get, path = "/organizations", tag = "organizations", params(PageQuery), responses((status = 200, body = OrganizationList)))]
async fn list(
    Caller(principal): Caller,
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> Result<Json<OrganizationList>> {
    let page = page.check()?;
    // A token that names no organization has access to none, because no id is empty.
    let only = if principal.is_platform() { None } else { Some(principal.organization.as_deref().unwrap_or_default()) };
    let found = state.store.organizations(only, page).await?;
    let organizations = found.rows.into_iter().map(OrganizationAnswer::from).collect();
    Ok(Json(OrganizationList { total: found.total, limit: page.limit, offset: page.offset, organizations }))
}

/// Request to create an organization.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOrganization {
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$", example = "acme")]
    organization_id: String,
    /// Name of the organization, for people. Default: the id.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "Acme Inc")]
    name: Option<String>,
    /// Settings to change; all others keep their defaults.
    #[serde(default)]
    #[schema(value_type = Option<Settings>)]
    settings: Option<Map<String, Value>>,
}

/// Create an organization
///
/// Needs a platform token, or an admin token of that organization. A first upload creates an organization too.
#[utoipa::path(post, path = "/organizations", tag = "organizations", request_body = NewOrganization, responses(
    (status = 201, body = OrganizationAnswer),
    (status = 409, description = "There is one of this id (`organization_exists`)", body = ErrorBody),
))]
async fn create(
    Caller(principal): Caller,
    State(state): State<AppState>,
    Json(new): Json<NewOrganization>,
) -> Result<(StatusCode, Json<OrganizationAnswer>)> {
    let id = &new.organization_id;
    if !is_organization_id(id) {
        let message = format!("{id:?} is not an id of an organization: 1 to 64 letters, digits, _ and -");
        return Err(ApiError::bad_request("invalid_organization_id", message));
    }
    principal.authorize(id, Role::Admin)?;
    let name = checked_text("name", new.name.as_deref().unwrap_or(id), 200)?;
    let settings = Settings::default().changed(new.settings.unwrap_or_default())?;
    let mut tx = state.store.begin().await?;
    tx.insert_organization(id, name, &settings).await?;
    let made = tx.organization(id).await?;
    tx.commit().await?;
    tracing::info!(organization = %id, by = %principal.subject, platform = principal.organization.as_deref() == Some(PLATFORM), "organization created");
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// One organization
#[utoipa::path(get, path = "/organizations/{org_id}", tag = "organizations", responses((status = 200, body = OrganizationAnswer)))]
async fn get(tenant: Tenant<Read>, State(state): State<AppState>) -> Result<Json<OrganizationAnswer>> {
    Ok(Json(state.store.organization(&tenant.org_id).await?.into()))
}

/// Change settings
///
/// Each given key is replaced as a whole; the others stay. Predictions use the new thresholds at once.
#[utoipa::path(patch, path = "/organizations/{org_id}/settings", tag = "organizations", request_body = Settings, responses(
    (status = 200, body = OrganizationAnswer),
))]
async fn change_settings(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<OrganizationAnswer>> {
    let mut tx = state.store.begin().await?;
    let old = tx.organization(&tenant.org_id).await?;
    tx.set_settings(&tenant.org_id, &old.settings.0.changed(changes)?).await?;
    let changed = tx.organization(&tenant.org_id).await?;
    tx.commit().await?;
    state.serving.forget(&tenant.org_id);
    Ok(Json(changed.into()))
}
