//! What the operator does while the API server fails it: requests refused, answers lost, watches
//! silent, the server gone. A proxy of the kit plays the server's part in that.

mod visible;
