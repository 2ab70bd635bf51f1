//! The parts of an app: agents, tables, web views, tasks and joins.
//!
//! Each names its app by the label `kaspr.io/app`.

mod agent;
mod join;
mod table;
mod task;
mod web_view;

pub use self::agent::{AgentInput, AgentOutput, Channel, KasprAgent, KasprAgentSpec, Take};
pub use self::join::{JoinType, KasprJoin, KasprJoinSpec};
pub use self::table::{
    Hopping, KasprTable, KasprTableSpec, RelativeTo, TableSerializer, Tumbling, Window,
};
pub use self::task::{KasprTask, KasprTaskSpec, Schedule};
pub use self::web_view::{
    ContentType, KasprWebView, KasprWebViewSpec, Method, Outcomes, WebRequest, WebResponse,
};
