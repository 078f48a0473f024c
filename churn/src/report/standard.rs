//! The report that every front end makes from a model and data: the customers of the day with their reasons, and those who are
//! slipping away.

use serde::Serialize;

use super::{Report, evaluation_of};
use crate::day::Day;
use crate::error::Result;
use crate::explain::ExplainConfig;
use crate::input::Source;
use crate::model::Model;
use crate::objects::objects;
use crate::slipping::SlippingConfig;

/// Settings of [`Model::report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportConfig {
    /// The title, which is the first line of the page. Default `Churn report`.
    pub title: String,
    /// The source of the data, such as the name of a file.
    pub source: Option<String>,
    /// The word for an event in sentences. Default: [`Events::event_word`](crate::Events::event_word).
    pub event: Option<String>,
}

objects! { @default ReportConfig { title, source, event } }

impl Default for ReportConfig {
    fn default() -> Self {
        ReportConfig { title: "Churn report".to_owned(), source: None, event: None }
    }
}

impl Model {
    /// Renders the report on this model and on the customers that its definition of churn covers at the end of `as_of`, by default
    /// the last day of the data: one self-contained HTML page. [`Report`] has further parts, such as a campaign.
    ///
    /// ```
    /// # use churn::*;
    /// # let csv: String = std::iter::once("customer_id,event_date\n".to_owned()).chain((0..2000).map(|i| {
    /// #     let (c, k) = (i % 200, i / 200);
    /// #     format!("c{c:03},{}\n", Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).unwrap())
    /// # })).collect();
    /// # let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
    /// use churn::report::ReportConfig;
    /// let model = train(&events, &TrainConfig::default())?;
    /// let config = ReportConfig { source: Some("transactions.csv".to_owned()), ..ReportConfig::default() };
    /// let html = model.report(&events, None, &config)?;
    /// assert!(html.starts_with("<!doctype html>") && html.contains("transactions.csv"));
    /// # Ok::<(), churn::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_parameter` for a model that was trained without an evaluation: the page could not say how far to believe it. The
    /// errors of [`Model::features`].
    pub fn report<'a>(
        &self,
        source: impl Into<Source<'a>>,
        as_of: Option<Day>,
        config: &ReportConfig,
    ) -> Result<String> {
        evaluation_of(self)?;
        let source = source.into();
        let event = config.event.clone().unwrap_or_else(|| source.event_word().to_owned());
        let words = ExplainConfig { event: event.clone(), ..ExplainConfig::default() };
        let features = self.features(source, as_of)?;
        let predictions = self.predict_features(&features)?;
        let slipping = self.slipping_away(source, as_of, &SlippingConfig { event, ..SlippingConfig::default() })?;
        let mut report = Report::new(&config.title, self);
        report.source = config.source.as_deref();
        match source {
            Source::Events(input) => report.events = Some(input.events),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(input) => report.subscriptions = Some(input.subscriptions),
        }
        report.predictions = Some(&predictions);
        report.reasons = Some((&features, &words));
        report.slipping = Some(&slipping);
        report.to_html()
    }
}
