//! The Python module `churn._churn`. Each function converts its arguments, makes one call of the core, and converts the result.
//! The package `churn` (in `python/`) exports the names.

mod align;
mod arrow;
mod backtest;
mod command;
mod contacts;
mod convert;
mod costs;
mod customer;
mod error;
mod events;
mod features;
mod findings;
mod ids;
mod input;
mod labels;
mod measures;
mod model;
mod outgoing;
mod parquet;
mod process;
mod results;
mod slipping;
mod stream;
mod subscriptions;
mod table;
mod train;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod _churn {
    #[pymodule_export]
    use crate::backtest::{Backtest, BacktestPredictions, backtest};
    #[pymodule_export]
    use crate::command::run_command;
    #[pymodule_export]
    use crate::contacts::{ContactList, contact_list};
    #[pymodule_export]
    use crate::costs::{cost_thresholds, savings};
    #[pymodule_export]
    use crate::events::{Events, detect, read_csv, read_parquet};
    #[pymodule_export]
    use crate::features::{FeatureTable, features};
    #[pymodule_export]
    use crate::findings::{check, finding_codes, suggest};
    #[pymodule_export]
    use crate::labels::{Labels, labels};
    #[pymodule_export]
    use crate::measures::{
        campaign_outcome, compare, compare_models, curve, empc, evaluate, expected_curve, mpc, segment, segment_table,
    };
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::results::{Explanation, Predictions};
    #[pymodule_export]
    use crate::slipping::SlippingList;
    #[pymodule_export]
    use crate::stream::FeatureStream;
    #[pymodule_export]
    use crate::subscriptions::{
        SubscriptionLabels, Subscriptions, kaplan_meier, movements, read_subscriptions, retention,
    };
    #[pymodule_export]
    use crate::train::{load, train, train_matrix, train_table};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::process::init(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ERROR_CODES", churn::ErrorKind::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>())
    }
}
