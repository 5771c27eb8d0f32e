//! Every order in which readers and the background can meet, over the code as it is:
//! `RUSTFLAGS="--cfg loom" cargo test -p wirewright --lib loom`.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::*;

struct Model {
    custody: Custody,
    /// Whether the socket is registered with the background.
    registered: Turn<bool>,
    letters: AtomicUsize,
}

fn model(party: Party) -> Arc<Model> {
    let custody = Custody { state: AtomicU8::new(party as u8), key: 1 };
    let registered = Turn::new(party == Party::Background);
    Arc::new(Model { custody, registered, letters: AtomicUsize::new(0) })
}

impl Model {
    fn tell(&self) {
        self.letters.fetch_add(1, Ordering::SeqCst);
    }

    fn read(&self) {
        let mut taken = self.registered.acquire(None).unwrap();
        if !self.custody.is_driven() {
            let before = self.custody.take_back();
            if before == Party::Background {
                *taken = false;
            }
            if matches!(before, Party::Background | Party::Inside) {
                self.tell();
            }
        }
        assert!(!*taken, "two receive at once");
        drop(taken);
        if !self.custody.is_driven() && self.custody.has_left() {
            self.tell();
        }
    }

    /// As many looks; whether another is to come of itself.
    fn look(&self, looks: usize) -> bool {
        let (mut inside, mut scheduled) = (0, true);
        for _ in 0..looks {
            if self.letters.swap(0, Ordering::SeqCst) > 0 {
                scheduled = true;
            }
            if !scheduled {
                continue;
            }
            scheduled = match self.custody.look(&self.registered, &mut inside) {
                Look::Later => true,
                Look::Told => false,
                Look::Mine(mut taken) => {
                    *taken = true;
                    false
                }
            };
        }
        scheduled
    }
}

/// With one reader, or two of which one may have to stand in line.
fn check(party: Party, readers: usize, looks: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let model = model(party);
        let threads: Vec<_> = (0..readers)
            .map(|_| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.read())
            })
            .collect();
        let scheduled = model.look(looks);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let told = model.letters.load(Ordering::SeqCst) > 0;
        let party = model.custody.party();
        let registered = *model.registered.acquire(None).unwrap();
        assert_eq!(registered, party == Party::Background, "{party:?}");
        // Nobody is inside: the background has it, or will look.
        assert!(registered || scheduled || told, "nobody sees to it: {party:?}");
        assert!(party != Party::Inside || told, "nobody leaves any more");
    });
}

#[test]
fn loom_a_reader_and_the_background() {
    for party in [Party::Driven, Party::Quiet, Party::Background] {
        check(party, 1, 3);
    }
}

#[test]
fn loom_two_readers_and_the_background() {
    for party in [Party::Quiet, Party::Background] {
        check(party, 2, 2);
    }
}
