//! Authentication and authorization: the caller, the organization, and the role.
//!
//! A token is a JWT signed with `SECRET_KEY` (HS256) or an API key. A JWT names its organization in the claim
//! `organization_id`, at the top level or in `app_metadata`, and a role in `churn_role` at the same places. `user_metadata` is
//! never read, because users can write it themselves. The organization `"*"` is the platform: it gives access to all
//! organizations. A handler gets the organization of its path only from [`Tenant`], which has checked it against the token.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bodies::BodyOwner;
use crate::config::Config;
use crate::error::{ApiError, Result};
use crate::state::AppState;
use crate::store::{ApiKey, Store, text_enum};
use crate::time::Stamp;

text_enum! {
    /// Role of a token. Each role includes the ones before it.
    Role {
        /// May read everything and predict one customer.
        Read = "read",
        /// May also upload, train and predict in bulk.
        Write = "write",
        /// May also change settings, keys, and the model in use.
        Admin = "admin",
    }
}

/// The organization of a token that gives access to all organizations.
pub const PLATFORM: &str = "*";

/// Prefix of every API key.
pub const KEY_PREFIX: &str = "churn_";

/// Tolerance for the clocks of token issuers, in seconds.
const LEEWAY: u64 = 30;

/// Time for which a result of a key lookup is cached: a key that was revoked on another server may be accepted this long, and
/// an unknown key is remembered this long.
const KEY_CACHE: Duration = Duration::from_secs(10);

/// Maximum number of cached keys, for known and for unknown keys each.
const KEYS: u64 = 10_000;

/// Limit of database lookups for keys that are not cached: lookups per second from one address, and the burst. It slows down
/// guessing, whatever `RATE_LIMIT` says.
const NEW_KEYS: (u32, u32) = (20, 100);

/// The authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Name under which requests are counted for the rate limit: a user in an organization, or a key.
    pub subject: String,
    /// The organization, or [`PLATFORM`]. None for a token that names none, which gives no access.
    pub organization: Option<String>,
    /// Role of the caller in the organization.
    pub role: Role,
}

impl Principal {
    /// Returns true for a token that gives access to all organizations.
    pub fn is_platform(&self) -> bool {
        self.organization.as_deref() == Some(PLATFORM)
    }

    /// Checks that the caller may act on the organization in the needed role.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn authorize(&self, org_id: &str, needed: Role) -> Result<()> {
        if !self.is_platform() && self.organization.as_deref() != Some(org_id) {
            let message = format!("this token does not open the organization {org_id:?}");
            return Err(ApiError::forbidden(message));
        }
        self.has(needed)
    }

    /// Checks that the caller's role is high enough.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn has(&self, needed: Role) -> Result<()> {
        if self.role >= needed {
            return Ok(());
        }
        let message = format!("this token has the role {}; {needed} is needed here", self.role);
        Err(ApiError::forbidden(message).with_details(serde_json::json!({ "needed": needed })))
    }
}

/// The claims that are used; a token may have others.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    churn_role: Option<Role>,
    #[serde(default)]
    app_metadata: Option<AppMetadata>,
    #[serde(default)]
    exp: u64,
    #[serde(default)]
    aud: serde_json::Value,
}

/// The part of a Supabase token that only the owner of the project can write.
#[derive(Debug, Default, Serialize, Deserialize)]
struct AppMetadata {
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    churn_role: Option<Role>,
}

/// Checks tokens and counts requests.
pub struct Auth {
    /// Key and rules for JWTs. None if no token is needed.
    jwt: Option<(DecodingKey, Validation)>,
    /// Known keys, each with the time of its last lookup.
    keys: moka::sync::Cache<String, (ApiKey, Instant)>,
    /// Digests that belong to no key.
    unknown: moka::sync::Cache<String, ()>,
    limiter: Option<DefaultKeyedRateLimiter<String>>,
    new_keys: DefaultKeyedRateLimiter<String>,
    offline: Duration,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

impl Auth {
    /// Builds the checks from the settings.
    pub fn new(config: &Config) -> Self {
        let jwt = config.secret_key.as_deref().map(|secret| {
            // Only one algorithm is accepted. A token that names another one, above all "none", is refused.
            let mut validation = Validation::new(Algorithm::HS256);
            validation.set_audience(&[&config.jwt_audience]);
            validation.set_required_spec_claims(&["exp", "aud"]);
            validation.validate_nbf = true;
            validation.leeway = LEEWAY;
            if let Some(issuer) = &config.jwt_issuer {
                validation.set_issuer(&[issuer]);
                validation.required_spec_claims.insert("iss".to_owned());
            }
            (DecodingKey::from_secret(secret.as_bytes()), validation)
        });
        // The burst is the number of requests of one second.
        let limiter = NonZeroU32::new(config.rate_limit).map(|rate| RateLimiter::keyed(Quota::per_second(rate)));
        let new_keys = Quota::per_second(NonZeroU32::new(NEW_KEYS.0).expect("is not 0"));
        let new_keys = new_keys.allow_burst(NonZeroU32::new(NEW_KEYS.1).expect("is not 0"));
        let remember = || moka::sync::Cache::builder().max_capacity(KEYS);
        Auth {
            jwt,
            // A known key is cached beyond its fresh time, so that it stays valid while the database is unreachable.
            keys: remember().time_to_live(config.offline.max(KEY_CACHE)).build(),
            unknown: moka::sync::Cache::builder().max_capacity(KEYS).time_to_live(KEY_CACHE).build(),
            limiter,
            new_keys: RateLimiter::keyed(new_keys),
            offline: config.offline,
        }
    }

    /// Returns true if no token is needed.
    pub fn is_open(&self) -> bool {
        self.jwt.is_none()
    }

    /// Authenticates the sender of the headers.
    ///
    /// # Errors
    /// `unauthorized`, `rate_limited`.
    async fn authenticate(&self, headers: &HeaderMap, peer: Option<SocketAddr>, store: &Store) -> Result<Principal> {
        let peer = peer.map(|peer| format!("peer {}", peer.ip()));
        let principal = match &self.jwt {
            None => {
                Ok(Principal { subject: "open".to_owned(), organization: Some(PLATFORM.to_owned()), role: Role::Admin })
            }
            Some((key, validation)) => match token(headers) {
                Ok(token) if token.starts_with(KEY_PREFIX) => return self.by_key(token, peer, store).await,
                Ok(token) => by_jwt(token, key, validation),
                Err(error) => Err(error),
            },
        };
        // Requests without a valid token are counted by address, so that guessing is limited too.
        match &principal {
            Ok(principal) => self.count(Some(&principal.subject))?,
            Err(_) => self.count(peer.as_ref())?,
        }
        principal
    }

    /// Counts a request for the rate limit.
    ///
    /// # Errors
    /// `rate_limited`.
    fn count(&self, who: Option<&String>) -> Result<()> {
        match (&self.limiter, who) {
            (Some(limiter), Some(who)) => within(limiter, who),
            _ => Ok(()),
        }
    }

    /// Authenticates an API key. A key that is not cached is looked up in the database, within the limit of its address. A
    /// cached key is looked up again when its entry is no longer fresh. Requests are counted before any lookup.
    async fn by_key(&self, key: &str, peer: Option<String>, store: &Store) -> Result<Principal> {
        let digest = digest(key);
        let no_key = || ApiError::unauthorized("invalid", "there is no such API key");
        if self.unknown.contains_key(&digest) {
            self.count(peer.as_ref())?;
            return Err(no_key());
        }
        let key = match self.keys.get(&digest) {
            Some((key, looked_up)) => {
                self.count(Some(&format!("key {}", key.id)))?;
                match looked_up.elapsed() < KEY_CACHE {
                    true => key,
                    false => self.refresh_key(digest, key, looked_up, store).await?.ok_or_else(no_key)?,
                }
            }
            None => {
                let who = peer.unwrap_or_else(|| "peer unknown".to_owned());
                self.count(Some(&who))?;
                within(&self.new_keys, &who)?;
                match store.api_key_by_digest(&digest).await? {
                    Some(key) => {
                        self.keys.insert(digest, (key.clone(), Instant::now()));
                        key
                    }
                    None => {
                        self.unknown.insert(digest, ());
                        return Err(no_key());
                    }
                }
            }
        };
        if key.revoked_at.is_some() {
            return Err(ApiError::unauthorized("invalid", "this API key was revoked"));
        }
        if key.expires_at.is_some_and(|end| end <= Stamp::now()) {
            return Err(ApiError::unauthorized("expired", "this API key has expired"));
        }
        Ok(Principal { subject: format!("key {}", key.id), organization: Some(key.org_id), role: key.role })
    }

    /// Looks a known key up again. While the database is unreachable the cached key stays valid, as long as the settings allow.
    async fn refresh_key(
        &self,
        digest: String,
        known: ApiKey,
        looked_up: Instant,
        store: &Store,
    ) -> Result<Option<ApiKey>> {
        match store.api_key_by_digest(&digest).await {
            Ok(Some(key)) => {
                self.keys.insert(digest, (key.clone(), Instant::now()));
                Ok(Some(key))
            }
            Ok(None) => {
                self.keys.invalidate(&digest);
                Ok(None)
            }
            Err(error) if error.status().is_server_error() && looked_up.elapsed() < self.offline => Ok(Some(known)),
            Err(error) => Err(error),
        }
    }

    /// Clears the key cache, so that a key revoked on this server stops working at once.
    pub fn forget_keys(&self) {
        self.keys.invalidate_all();
        self.unknown.invalidate_all();
    }

    /// Removes callers without recent requests from the rate limiters. Must be called from time to time.
    pub fn evict_idle(&self) {
        for limiter in self.limiter.iter().chain([&self.new_keys]) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Returns an error if the caller exceeds the limit.
fn within(limiter: &DefaultKeyedRateLimiter<String>, who: &String) -> Result<()> {
    limiter.check_key(who).map_err(|until| ApiError::rate_limited(until.wait_time_from(DefaultClock::default().now())))
}

/// Returns the token of `Authorization: Bearer …`, or of `apikey: …` as Supabase clients send it.
fn token(headers: &HeaderMap) -> Result<&str> {
    let malformed = || ApiError::unauthorized("malformed", "expected the header Authorization: Bearer <token>");
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
        return if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(malformed()) };
    }
    match headers.get("apikey") {
        Some(value) => value.to_str().map_err(|_| malformed()),
        None => {
            let message = "a token is needed: send the header Authorization: Bearer <token>";
            Err(ApiError::unauthorized("missing", message))
        }
    }
}

fn by_jwt(token: &str, key: &DecodingKey, validation: &Validation) -> Result<Principal> {
    let claims = decode::<Claims>(token, key, validation).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => ApiError::unauthorized("expired", "this token has expired"),
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
            ApiError::unauthorized("malformed", "this is not a token of the form that is taken here")
        }
        ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer | ErrorKind::MissingRequiredClaim(_) => {
            ApiError::unauthorized("invalid", "this token was not issued for this service (claims aud, exp, iss)")
        }
        _ => ApiError::unauthorized("invalid", "the signature of this token is not one that is taken here"),
    })?;
    let claims = claims.claims;
    let metadata = claims.app_metadata.unwrap_or_default();
    let organization = match (claims.organization_id, metadata.organization_id) {
        (Some(one), Some(other)) if one != other => {
            let message = "this token names two organizations";
            return Err(ApiError::unauthorized("invalid", message));
        }
        (one, other) => one.or(other),
    };
    let role = claims.churn_role.or(metadata.churn_role).unwrap_or(Role::Read);
    // Without a subject, requests are counted per token.
    let subject = claims.sub.unwrap_or_else(|| digest(token));
    let subject = format!("user {}/{subject}", organization.as_deref().unwrap_or_default());
    Ok(Principal { subject, organization, role })
}

/// Returns the SHA-256 of a key in hexadecimal. A key has 256 random bits, so a slow password hash would add nothing.
pub(crate) fn digest(key: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(key.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Creates an API key. It is shown once; only its [`digest`] is stored.
///
/// # Errors
/// `internal` if the operating system has no randomness.
pub fn new_key() -> Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(ApiError::internal)?;
    Ok(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret)))
}

/// Signs a token as an issuer would: for setup and tests, and for installations without an issuer.
///
/// # Errors
/// A sentence if there is no SECRET_KEY to sign with.
pub fn new_token(
    config: &Config,
    organization: &str,
    role: Role,
    valid_for: Duration,
) -> std::result::Result<String, String> {
    let secret = config.secret_key.as_deref().ok_or("SECRET_KEY is not set: there is nothing to sign with")?;
    let claims = serde_json::json!({
        "sub": format!("{role} of {organization}"),
        "aud": config.jwt_audience,
        "iss": config.jwt_issuer.as_deref().unwrap_or("churn-server"),
        "exp": Stamp::now().0.div_euclid(1000) + i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX / 2),
        "organization_id": organization,
        "churn_role": role,
    });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .map_err(|error| error.to_string())
}

/// Returns true if the text can be used as an organization id in paths and keys: 1 to 64 letters, digits, `_` and `-`.
pub fn is_organization_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The role that a handler needs, as a type.
pub trait Needs: Send + Sync + 'static {
    /// The role.
    const ROLE: Role;
}

/// Needs the role read.
#[derive(Clone, Copy, Debug)]
pub struct Read;
/// Needs the role write.
#[derive(Clone, Copy, Debug)]
pub struct Write;
/// Needs the role admin.
#[derive(Clone, Copy, Debug)]
pub struct Admin;

impl Needs for Read {
    const ROLE: Role = Role::Read;
}
impl Needs for Write {
    const ROLE: Role = Role::Write;
}
impl Needs for Admin {
    const ROLE: Role = Role::Admin;
}

/// Extractor for any caller with a valid token, whatever it gives access to.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        let principal = state.auth.authenticate(&parts.headers, peer, &state.store).await?;
        parts.extensions.insert(BodyOwner(principal.organization.clone().unwrap_or_default()));
        Ok(Caller(principal))
    }
}

/// Extractor for the organization of the path, after the check that the token has the role the handler needs. Handlers get the
/// organization only through it.
#[derive(Clone, Debug)]
pub struct Tenant<R> {
    /// The organization id. It is not checked that the organization exists.
    pub org_id: String,
    /// The caller.
    pub principal: Principal,
    role: PhantomData<R>,
}

impl<R: Needs> FromRequestParts<AppState> for Tenant<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let Caller(principal) = Caller::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| crate::error::from_status(error.status(), "invalid_path", error.body_text()))?;
        let org_id = params.iter().find(|(name, _)| *name == "org_id").map(|(_, value)| value).unwrap_or_default();
        if !is_organization_id(org_id) {
            let message = format!("{org_id:?} is not an id of an organization: 1 to 64 letters, digits, _ and -");
            return Err(ApiError::bad_request("invalid_organization_id", message));
        }
        principal.authorize(org_id, R::ROLE)?;
        tracing::Span::current().record("organization", org_id);
        parts.extensions.insert(BodyOwner(org_id.to_owned()));
        Ok(Tenant { org_id: org_id.to_owned(), principal, role: PhantomData })
    }
}
