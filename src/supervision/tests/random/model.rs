//! What must follow when something happens to a tree at rest, said once more in the plainest way.

use super::*;

/// A node of the model, at its place in the list of all nodes; children come after their parent, in the order of start.
#[derive(Debug)]
struct Node {
    name: String,
    parent: Option<usize>,
    children: Vec<usize>,
    restart: Restart,
    beyond: Beyond,
    /// For a supervisor: whom it restarts, how many failures it bears, and how many it has borne in this life.
    group: Option<(Strategy, u32, u32)>,
    is_there: bool,
}

/// How a leaf ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finishes,
    Panics,
}

/// The tree as it must be, and what must have been seen since the last clearing.
#[derive(Debug)]
pub(super) struct Model {
    nodes: Vec<Node>,
    /// Leaves that ran their `stopped` hook, in order.
    pub(super) stopped: Vec<String>,
    /// Leaves that were built, in the order of the tree.
    pub(super) built: Vec<String>,
}

impl Model {
    pub(super) fn of(shape: &Group) -> Self {
        let mut model = Self {
            nodes: Vec::new(),
            stopped: Vec::new(),
            built: Vec::new(),
        };
        model.add("g", None, &Shape::Group(shape.clone()));
        model.nodes[0].beyond = Beyond::Degrade;
        model
    }

    fn add(&mut self, name: &str, parent: Option<usize>, shape: &Shape) -> usize {
        let (restart, beyond, group) = match shape {
            Shape::Leaf(leaf) => (leaf.restart, leaf.beyond, None),
            Shape::Group(group) => {
                let facts = (group.strategy, group.restarts, 0);
                (group.restart, Beyond::Escalate, Some(facts))
            }
        };
        let node = self.nodes.len();
        self.nodes.push(Node {
            name: name.to_owned(),
            parent,
            children: Vec::new(),
            restart,
            beyond,
            group,
            is_there: true,
        });
        if let Shape::Group(group) = shape {
            for (index, child) in group.children.iter().enumerate() {
                let child = self.add(&format!("{name}.{index}"), Some(node), child);
                self.nodes[node].children.push(child);
            }
        }
        node
    }

    pub(super) fn clear(&mut self) {
        self.stopped.clear();
        self.built.clear();
    }

    /// The leaves that are there, in the order of start.
    pub(super) fn leaves(&self) -> Vec<String> {
        self.names(|node| node.group.is_none())
    }

    /// The supervisors that are there but for the first, in the order of start.
    pub(super) fn groups(&self) -> Vec<String> {
        self.names(|node| node.group.is_some() && node.parent.is_some())
    }

    fn names(&self, wanted: impl Fn(&Node) -> bool) -> Vec<String> {
        let there = self.nodes.iter().filter(|node| node.is_there && wanted(node));
        there.map(|node| node.name.clone()).collect()
    }

    /// The leaf of that name ends by itself.
    pub(super) fn ends(&mut self, name: &str, end: End) {
        let leaf = self.find(name);
        if end == End::Finishes {
            self.stopped.push(name.to_owned());
        }
        self.ended(leaf, end == End::Panics);
    }

    /// An operator restarts a node.
    pub(super) fn restarted(&mut self, name: &str) {
        let node = self.find(name);
        self.fall(node);
        self.rise(node);
    }

    /// An operator stops a node.
    pub(super) fn is_stopped(&mut self, name: &str) {
        let node = self.find(name);
        self.fall(node);
        self.leave(node);
    }

    /// A life of a node has ended by itself, with all beneath it.
    fn ended(&mut self, node: usize, failed: bool) {
        let again = match self.nodes[node].restart {
            Restart::Permanent => true,
            Restart::Transient => failed,
            Restart::Temporary => false,
        };
        if !again {
            self.leave(node);
            return;
        }
        let Some(parent) = self.nodes[node].parent else {
            self.rise(node);
            return;
        };
        let siblings: Vec<usize> = self.there(parent);
        let escalates = self.nodes[node].beyond == Beyond::Escalate;
        let Some((strategy, restarts, borne)) = &mut self.nodes[parent].group else {
            unreachable!("a parent is a group")
        };
        *borne += u32::from(escalates);
        if borne > restarts {
            for child in siblings.into_iter().rev().filter(|child| *child != node) {
                self.fall(child);
            }
            self.ended(parent, true);
            return;
        }
        let members: Vec<usize> = match strategy {
            Strategy::OneForAll => siblings,
            Strategy::RestForOne => siblings.into_iter().filter(|child| *child >= node).collect(),
            _ => vec![node],
        };
        for member in members.iter().rev().filter(|member| **member != node) {
            self.fall(*member);
        }
        for member in members {
            self.rise_unless_temporary(member);
        }
    }

    /// All leaves beneath a node are stopped, the last first.
    fn fall(&mut self, node: usize) {
        if self.nodes[node].group.is_none() {
            self.stopped.push(self.nodes[node].name.clone());
        }
        for child in self.there(node).into_iter().rev() {
            self.fall(child);
        }
    }

    fn rise_unless_temporary(&mut self, node: usize) {
        if self.nodes[node].restart == Restart::Temporary {
            self.leave(node);
        } else {
            self.rise(node);
        }
    }

    fn rise(&mut self, node: usize) {
        match &mut self.nodes[node].group {
            None => self.built.push(self.nodes[node].name.clone()),
            Some((_, _, borne)) => *borne = 0,
        }
        for child in self.there(node) {
            self.rise_unless_temporary(child);
        }
    }

    fn leave(&mut self, node: usize) {
        self.nodes[node].is_there = false;
        for child in self.nodes[node].children.clone() {
            self.leave(child);
        }
    }

    fn there(&self, node: usize) -> Vec<usize> {
        let children = self.nodes[node].children.iter().copied();
        children.filter(|child| self.nodes[*child].is_there).collect()
    }

    fn find(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node.name == name).unwrap()
    }
}
