//! What is measured: connections × messages in flight on each × payload size.

use wirewright_peers::{Result, table};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub connections: usize,
    pub in_flight: usize,
    pub size: usize,
}

impl Row {
    /// As `--rows` takes it, for example `10x8x1024`.
    pub fn name(&self) -> String {
        format!("{}x{}x{}", self.connections, self.in_flight, self.size)
    }

    pub fn title(&self) -> String {
        let size = table::bytes(self.size);
        format!(
            "{} connections × {} in flight × {size}",
            self.connections, self.in_flight
        )
    }
}

/// Two in flight keep both sides of a large message busy; 32 would only fill socket buffers.
fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for (size, depths) in [
        (20, [1, 32]),
        (1024, [1, 32]),
        (65_536, [1, 2]),
        (1_048_576, [1, 2]),
    ] {
        for in_flight in depths {
            for connections in [10, 100] {
                rows.push(Row {
                    connections,
                    in_flight,
                    size,
                });
            }
        }
    }
    rows.push(Row {
        connections: 10,
        in_flight: 8,
        size: 1024,
    });
    rows
}

/// The same over TLS, where records have 16 KiB at most.
fn over_tls() -> Vec<Row> {
    let sizes = [20, 100, 1024, 16_384, 1_048_576];
    let rows = sizes.map(|size| {
        let depths = if size < 1 << 20 { [1, 32] } else { [1, 2] };
        depths.map(|in_flight| Row {
            connections: 10,
            in_flight,
            size,
        })
    });
    rows.concat()
}

/// Every row, or those named; a name need not be one of the usual rows.
pub fn chosen(names: Option<Vec<String>>, tls: bool) -> Result<Vec<Row>> {
    let Some(names) = names else {
        return Ok(if tls { over_tls() } else { all() });
    };
    names.iter().map(|name| parse(name)).collect()
}

fn parse(name: &str) -> Result<Row> {
    let numbers: Vec<usize> = name.split('x').map(str::parse).collect::<Result<_, _>>()?;
    let &[connections, in_flight, size] = numbers.as_slice() else {
        return Err(format!("a row is CONNECTIONSxIN_FLIGHTxBYTES, not {name:?}").into());
    };
    Ok(Row {
        connections,
        in_flight,
        size,
    })
}
