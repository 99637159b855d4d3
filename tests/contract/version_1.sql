-- A checkpoint of version 1, as that version made it: a row in every state.
PRAGMA application_id = 1650553955;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE life (
    state TEXT NOT NULL, event TEXT NOT NULL, becomes TEXT NOT NULL, PRIMARY KEY (state, event, becomes)
) STRICT, WITHOUT ROWID;
INSERT INTO "life" VALUES('completed','finished_bad','completed');
INSERT INTO "life" VALUES('completed','finished_ok','completed');
INSERT INTO "life" VALUES('completed','restarted','completed');
INSERT INTO "life" VALUES('failed','finished_bad','failed');
INSERT INTO "life" VALUES('failed','finished_ok','failed');
INSERT INTO "life" VALUES('failed','restarted','failed');
INSERT INTO "life" VALUES('failed','settled','queued');
INSERT INTO "life" VALUES('in_doubt','accepted','running');
INSERT INTO "life" VALUES('in_doubt','finished_bad','failed');
INSERT INTO "life" VALUES('in_doubt','finished_ok','completed');
INSERT INTO "life" VALUES('in_doubt','restarted','in_doubt');
INSERT INTO "life" VALUES('in_doubt','settled','failed');
INSERT INTO "life" VALUES('in_doubt','settled','queued');
INSERT INTO "life" VALUES('queued','cannot_be_sent','failed');
INSERT INTO "life" VALUES('queued','not_the_rows_fault','queued');
INSERT INTO "life" VALUES('queued','refused_for_good','failed');
INSERT INTO "life" VALUES('queued','restarted','queued');
INSERT INTO "life" VALUES('queued','submit_started','submitting');
INSERT INTO "life" VALUES('running','deadline','timed_out');
INSERT INTO "life" VALUES('running','finished_bad','failed');
INSERT INTO "life" VALUES('running','finished_bad','queued');
INSERT INTO "life" VALUES('running','finished_ok','completed');
INSERT INTO "life" VALUES('running','gone','failed');
INSERT INTO "life" VALUES('running','restarted','running');
INSERT INTO "life" VALUES('running','still_running','running');
INSERT INTO "life" VALUES('submitting','accepted','running');
INSERT INTO "life" VALUES('submitting','finished_bad','failed');
INSERT INTO "life" VALUES('submitting','finished_bad','queued');
INSERT INTO "life" VALUES('submitting','finished_ok','completed');
INSERT INTO "life" VALUES('submitting','not_the_rows_fault','queued');
INSERT INTO "life" VALUES('submitting','refused_for_good','failed');
INSERT INTO "life" VALUES('submitting','refused_for_now','queued');
INSERT INTO "life" VALUES('submitting','restarted','in_doubt');
INSERT INTO "life" VALUES('submitting','sent_no_proof','in_doubt');
INSERT INTO "life" VALUES('timed_out','finished_bad','failed');
INSERT INTO "life" VALUES('timed_out','finished_ok','completed');
INSERT INTO "life" VALUES('timed_out','gone','failed');
INSERT INTO "life" VALUES('timed_out','restarted','timed_out');
INSERT INTO "life" VALUES('timed_out','settled','queued');
INSERT INTO "life" VALUES('timed_out','still_running','timed_out');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE outputs (row INTEGER PRIMARY KEY, output TEXT) STRICT;
INSERT INTO "outputs" VALUES(3,'{"a": 1}');
CREATE TABLE rows (
    row INTEGER PRIMARY KEY CHECK (row >= 0),
    state TEXT NOT NULL CHECK (state IN ('queued', 'submitting', 'running', 'completed', 'failed', 'timed_out', 'in_doubt')),
    event TEXT NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    polls INTEGER NOT NULL,
    run_polls INTEGER NOT NULL,
    run_id TEXT CHECK (run_id IS NOT NULL OR state NOT IN ('running', 'completed', 'timed_out')),
    status TEXT,
    not_before INTEGER,
    intent_at INTEGER,
    submitted_at INTEGER,
    accepted_at INTEGER,
    finished_at INTEGER,
    created_at INTEGER,
    updated_at INTEGER,
    error_kind TEXT,
    error_code TEXT,
    error_message TEXT,
    http_status INTEGER
) STRICT;
INSERT INTO "rows" VALUES(0,'queued','not_the_rows_fault',0,0,0,0,NULL,NULL,1760000000000,1760000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(1,'submitting','submit_started',1,1,0,0,NULL,NULL,NULL,1760000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(2,'running','accepted',1,1,0,0,'run-2','pending',NULL,1760000000000,1760000000000,1760000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(3,'completed','finished_ok',1,1,1,1,'run-3','completed',NULL,1760000000000,1760000000000,1760000000000,1760000000000,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(4,'failed','gone',1,1,1,1,'run-4','pending',NULL,1760000000000,1760000000000,1760000000000,1760000000000,NULL,NULL,'run_failed','CODE','why',500);
INSERT INTO "rows" VALUES(5,'timed_out','deadline',1,1,1,1,'run-5','pending',NULL,1760000000000,1760000000000,1760000000000,1760000000000,NULL,NULL,'run_failed','CODE','why',500);
INSERT INTO "rows" VALUES(6,'in_doubt','sent_no_proof',1,1,0,0,NULL,NULL,NULL,1760000000000,1760000000000,NULL,NULL,NULL,NULL,'run_failed','CODE','why',500);
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    ended_at INTEGER,
    exit_code INTEGER,
    version TEXT NOT NULL,
    submissions INTEGER NOT NULL DEFAULT 0,
    polls INTEGER NOT NULL DEFAULT 0,
    throttled INTEGER NOT NULL DEFAULT 0,
    elapsed_s REAL NOT NULL DEFAULT 0,
    changes INTEGER NOT NULL DEFAULT 0,
    ended_before INTEGER NOT NULL
) STRICT;
INSERT INTO "session" VALUES(1,1760000000000,1760000000000,NULL,NULL,'1.2.3',0,0,0,0.0,16,0);
CREATE UNIQUE INDEX rows_by_run ON rows (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX rows_live ON rows (state, row) WHERE state IN ('in_doubt', 'queued', 'running', 'submitting', 'timed_out');
CREATE TRIGGER rows_begin_as_queued AFTER INSERT ON rows
WHEN NOT EXISTS (SELECT 1 FROM life WHERE state = 'queued' AND event = NEW.event AND becomes = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;
CREATE TRIGGER rows_obey_life BEFORE UPDATE ON rows
WHEN NOT EXISTS (SELECT 1 FROM life WHERE state = OLD.state AND event = NEW.event AND becomes = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;
CREATE TRIGGER rows_stay BEFORE DELETE ON rows
BEGIN SELECT RAISE(ABORT, 'a row is never forgotten'); END;
COMMIT;
