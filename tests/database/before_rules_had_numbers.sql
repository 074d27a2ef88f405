BEGIN TRANSACTION;
CREATE TABLE actions (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at DOUBLE NOT NULL, 
	owner TEXT NOT NULL, 
	token_id TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE attempts (
	recording_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	cname TEXT NOT NULL, 
	uid BIGINT NOT NULL, 
	sid TEXT, 
	CONSTRAINT pk_attempts PRIMARY KEY (recording_id, number), 
	CONSTRAINT fk_attempts_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE, 
	CONSTRAINT uq_attempts_cname_uid UNIQUE (cname, uid)
);
INSERT INTO "attempts" VALUES('rec_00000000000000000000000001',1,'test-1',7,'s1');
CREATE TABLE budgets (
	rate_group TEXT NOT NULL, 
	tat DOUBLE NOT NULL, 
	CONSTRAINT pk_budgets PRIMARY KEY (rate_group)
);
CREATE TABLE deliveries (
	message_id TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	state TEXT DEFAULT 'pending' NOT NULL, 
	at DOUBLE NOT NULL, 
	tries INTEGER DEFAULT '0' NOT NULL, 
	next_try_at DOUBLE NOT NULL, 
	last_status INTEGER, 
	last_error TEXT, 
	ended_at DOUBLE, 
	CONSTRAINT pk_deliveries PRIMARY KEY (message_id, endpoint), 
	CONSTRAINT ck_deliveries_state CHECK (state IN ('pending', 'delivered', 'dead', 'skipped')), 
	CONSTRAINT fk_deliveries_message_id FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE TABLE deployment (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	alive_at DOUBLE, 
	restored_at DOUBLE, 
	CONSTRAINT pk_deployment PRIMARY KEY (id), 
	CONSTRAINT ck_deployment_single CHECK (id = 1)
);
INSERT INTO "deployment" VALUES(1,'test',1000.0,NULL,NULL);
CREATE TABLE endpoints (
	name TEXT NOT NULL, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	failing_since DOUBLE, 
	next_try_at DOUBLE DEFAULT '0' NOT NULL, 
	disabled_at DOUBLE, 
	last_error TEXT, 
	CONSTRAINT pk_endpoints PRIMARY KEY (name)
);
CREATE TABLE feed (
	id INTEGER NOT NULL, 
	last BIGINT NOT NULL, 
	CONSTRAINT pk_feed PRIMARY KEY (id), 
	CONSTRAINT ck_feed_single CHECK (id = 1)
);
CREATE TABLE files (
	recording_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	first_seen_at DOUBLE NOT NULL, 
	judged_at DOUBLE, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_files PRIMARY KEY (recording_id, "key"), 
	CONSTRAINT fk_files_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
);
INSERT INTO "files" VALUES('rec_00000000000000000000000001','pr/x/1/a.ts','slice',1200.0,1200.0,'{"key":"pr/x/1/a.ts","kind":"slice","size_bytes":188,"etag":"etag-a","modified_at":1100.0,"starts_at":1000.0,"duration_seconds":15.0,"announced":true,"listed":true,"in_playlist":true,"missing":false}');
INSERT INTO "files" VALUES('rec_00000000000000000000000001','pr/x/1/b.ts','slice',1200.0,1200.0,'{"key":"pr/x/1/b.ts","kind":"slice","size_bytes":null,"etag":null,"modified_at":null,"starts_at":null,"duration_seconds":null,"announced":true,"listed":false,"in_playlist":false,"missing":true}');
CREATE TABLE history (
	recording_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	kind TEXT NOT NULL, 
	source TEXT NOT NULL, 
	count INTEGER DEFAULT '1' NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_history PRIMARY KEY (recording_id, number), 
	CONSTRAINT fk_history_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
);
INSERT INTO "history" VALUES('rec_00000000000000000000000001',1,1001.0,'requested','caller',1,'{"page":"x"}');
INSERT INTO "history" VALUES('rec_00000000000000000000000001',2,1200.0,'judged','bucket',1,'{"report":1,"verdict":"verified","level":"content","findings":1}');
CREATE TABLE idempotency_keys (
	owner TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	request_hash TEXT NOT NULL, 
	recording_id TEXT NOT NULL, 
	body BLOB NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (owner, "key"), 
	CONSTRAINT fk_idempotency_keys_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
);
CREATE TABLE labels (
	owner TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	requested_at DOUBLE NOT NULL, 
	recording_id TEXT NOT NULL, 
	CONSTRAINT pk_labels PRIMARY KEY (owner, name, value, requested_at, recording_id), 
	CONSTRAINT fk_labels_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE ledger (
	recording_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	app TEXT NOT NULL, 
	resolution TEXT NOT NULL, 
	started_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	limit_at DOUBLE NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (recording_id, number), 
	CONSTRAINT ck_ledger_resolution CHECK (resolution IN ('hd', 'full_hd'))
);
CREATE TABLE messages (
	recording_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	type TEXT NOT NULL, 
	document TEXT NOT NULL, 
	position BIGINT, 
	CONSTRAINT pk_messages PRIMARY KEY (recording_id, number), 
	CONSTRAINT fk_messages_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE, 
	CONSTRAINT uq_messages_id UNIQUE (id), 
	CONSTRAINT uq_messages_position UNIQUE (position)
);
CREATE TABLE notifications (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	app TEXT NOT NULL, 
	notice_id TEXT NOT NULL, 
	received_at DOUBLE NOT NULL, 
	event_type INTEGER, 
	sid TEXT, 
	cname TEXT, 
	outcome TEXT DEFAULT 'new' NOT NULL, 
	recording_id TEXT, 
	tries INTEGER DEFAULT '0' NOT NULL, 
	next_try_at DOUBLE DEFAULT '0' NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT ck_notifications_outcome CHECK (outcome IN ('new', 'applied', 'foreign', 'unmatched', 'test', 'broken', 'parked')), 
	CONSTRAINT uq_notifications_app_notice_id UNIQUE (app, notice_id)
);
CREATE TABLE pictures (
	recording_id TEXT NOT NULL, 
	report INTEGER NOT NULL, 
	poster BLOB NOT NULL, 
	sheet BLOB NOT NULL, 
	CONSTRAINT pk_pictures PRIMARY KEY (recording_id), 
	CONSTRAINT fk_pictures_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
);
CREATE TABLE recordings (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	app TEXT NOT NULL, 
	storage TEXT NOT NULL, 
	state TEXT NOT NULL, 
	requested_at DOUBLE NOT NULL, 
	version INTEGER NOT NULL, 
	due_at DOUBLE, 
	lease_owner TEXT, 
	lease_until DOUBLE, 
	fence BIGINT DEFAULT '0' NOT NULL, 
	document TEXT NOT NULL, 
	sealed BLOB, 
	CONSTRAINT pk_recordings PRIMARY KEY (id), 
	CONSTRAINT ck_recordings_state CHECK (state IN ('requested', 'starting', 'recording', 'stopping', 'uploading', 'verifying', 'incomplete', 'verified', 'defective', 'unproven', 'failed', 'cancelled'))
);
INSERT INTO "recordings" VALUES('rec_00000000000000000000000001','school','main','archive','verified',1001.0,0,NULL,NULL,NULL,0,'{"id":"rec_00000000000000000000000001","owner":"school","app":"main","storage":"archive","location":{"vendor":1,"region":0,"bucket":"lessons","endpoint":null,"path_style":false,"prefix":["pr","x"]},"parameters":{"video_width":1280,"video_height":720,"video_fps":15,"video_bitrate":null,"audio_profile":0,"mobile":false,"max_recording_hour":3,"max_video_duration":120,"ready_timeout":0,"onhold":false,"av_file_type":["hls","mp4"],"private_params":null},"policy":{"lead_seconds":5,"start_within_seconds":120,"start_allowance_seconds":30,"resource_life_seconds":300,"start_repeat_seconds":[3,6,9],"start_check_seconds":[5,10,20,40,60,90],"retry_seconds":[1,3,6,10,20,30],"find_sid_seconds":10,"watch_seconds":120,"first_watch_seconds":20,"failover_window_seconds":120,"stop_check_seconds":15,"recheck_seconds":[180,420,900,1800,3600],"stalled_seconds":60,"max_pause_seconds":3600,"sts_refresh_seconds":3600,"upload_wait_seconds":120,"announced_look_seconds":[0,5,15,45,120],"look_seconds":[60,300,900,3600,10800,21600,43200,86400],"give_up_announced_seconds":86400,"give_up_seconds":604800,"missing_floor_seconds":5,"missing_share":0.001,"max_missing_seconds":null,"failover_hole_seconds":90,"pause_slack_seconds":5,"two_reads_apart_seconds":5,"endlist_expected":false,"blank_seconds":60,"level":"content","reaudit_share":0.05,"reaudit_seconds":[604800,2592000],"restart":false,"max_restarts":1},"page":"https://example.org/room?…","rtmp":null,"requested_at":1001.0,"cname":"test-1","labels":{},"notify":[],"start_at":null,"stop_at":null,"start_deadline_at":0,"state":"verified","state_since_at":0,"window_from_at":null,"stop_wished_at":null,"pause_wished":false,"pause_wished_at":null,"rtmp_version":0,"pauses":[],"attempts":[{"number":1,"cname":"test-1","uid":7,"prefix":"pr/x/1/","planned_at":1000.0,"state":"planned","resource_id":null,"resource_ids":[],"acquired_at":null,"start_sent_at":null,"start_resent_at":null,"hours":null,"sends":0,"undecided":false,"probed":false,"past_sids":[],"refused_at":null,"sid":"s1","started_at":null,"recording_at":null,"recorder_start_at":null,"onhold":false,"rtmp_version":0,"rtmp":null,"update_sent_at":null,"storage_refresh_at":null,"checks":0,"next_query_at":null,"missing_since_at":null,"told_ended":null,"seen_at":null,"stop_sent_at":null,"stop_accepted_at":null,"ended_at":null,"ended_proof":null,"rechecks":0,"stop_code":null,"uploaded":null,"uploaded_at":null,"announced":[],"last_sequence":null,"counted_until":null}],"failures":0,"retry_at":null,"last_failure":null,"end_reason":null,"blame":null,"ended_at":null,"attention":null,"warnings":[],"watch":{"next_list_at":null,"after_key":"","slices":0,"size_bytes":0,"last_slice_at":null,"listed_at":null},"looks":0,"looks_from_at":null,"next_look_at":null,"give_up_at":null,"look_wished":false,"look_level":null,"reports":2,"latest_report":{"number":1,"verdict":"verified","level":"content","judged_at":1200.0,"warnings":1,"findings":[{"code":"gap","severity":"warning","text":"2.0 s are missing.","object":null,"interval":{"from_at":1010.0,"to_at":1012.0},"evidence":{"seconds":2.0}}],"findings_count":1,"coverage":{"window":{"from_at":1000.0,"to_at":1100.0},"expected_seconds":100.0,"covered_seconds":98.0,"paused_seconds":0.0,"missing_seconds":2.0,"unexplained_seconds":2.0,"allowed_seconds":5.0,"share":0.98}},"history":2,"version":0}',NULL);
CREATE TABLE reports (
	recording_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	verdict TEXT NOT NULL, 
	level TEXT NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_reports PRIMARY KEY (recording_id, number), 
	CONSTRAINT fk_reports_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
);
INSERT INTO "reports" VALUES('rec_00000000000000000000000001',1,1200.0,'verified','content','{"verdict":"verified","level":"content","judged_at":1200.0,"findings":[{"code":"gap","severity":"warning","text":"2.0 s are missing.","object":null,"interval":{"from_at":1010.0,"to_at":1012.0},"evidence":{"seconds":2.0}}],"coverage":{"window":{"from_at":1000.0,"to_at":1100.0},"expected_seconds":100.0,"covered_seconds":98.0,"paused_seconds":0.0,"missing_seconds":2.0,"unexplained_seconds":2.0,"allowed_seconds":5.0,"share":0.98},"missing":[{"kind":"gap","from_at":1010.0,"to_at":1012.0,"explained":false}],"covered":[{"from_at":1000.0,"to_at":1010.0},{"from_at":1012.0,"to_at":1100.0}],"paused":[],"doubled":[],"drift_seconds":0.0,"requests":97,"bytes_read":9000000,"cpu_seconds":1.1,"seed":11,"samples":4}');
INSERT INTO "reports" VALUES('rec_00000000000000000000000001',2,1300.0,'unreachable','listing','{"verdict":"unreachable","level":"listing","judged_at":1300.0,"findings":[],"coverage":null,"missing":[],"covered":[],"paused":[],"doubled":[],"drift_seconds":0.0,"requests":0,"bytes_read":0,"cpu_seconds":0.0,"seed":0,"samples":0}');
CREATE TABLE tokens (
	id TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	apps TEXT, 
	storages TEXT, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE, 
	revoked_at DOUBLE, 
	last_used_at DOUBLE, 
	CONSTRAINT pk_tokens PRIMARY KEY (id)
);
CREATE INDEX ix_actions_owner ON actions (owner, id);
CREATE INDEX ix_ledger_running ON ledger (limit_at) WHERE ended_at IS NULL;
CREATE INDEX ix_ledger_started_at ON ledger (started_at);
CREATE INDEX ix_ledger_used ON ledger (owner, started_at, ended_at, app, resolution);
CREATE INDEX ix_notifications_new ON notifications (id) WHERE outcome = 'new';
CREATE INDEX ix_notifications_recording ON notifications (recording_id) WHERE recording_id IS NOT NULL;
CREATE INDEX ix_notifications_outcome ON notifications (outcome, id) WHERE outcome <> 'new';
CREATE INDEX ix_notifications_type ON notifications (event_type, id) WHERE outcome <> 'new';
CREATE INDEX ix_notifications_test ON notifications (app, event_type) WHERE cname = 'test_webhook';
CREATE INDEX ix_notifications_sid ON notifications (sid) WHERE outcome <> 'new';
CREATE INDEX ix_recordings_due ON recordings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_recordings_list ON recordings (owner, requested_at, id, state, app);
CREATE INDEX ix_recordings_state ON recordings (state);
CREATE INDEX ix_attempts_sid ON attempts (sid);
CREATE INDEX ix_files_key ON files ("key");
CREATE INDEX ix_history_at ON history (at);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX ix_labels_recording_id ON labels (recording_id);
CREATE INDEX ix_messages_feed ON messages (owner, position);
CREATE INDEX ix_messages_at ON messages (at);
CREATE INDEX ix_messages_unpublished ON messages (at, id) WHERE position IS NULL;
CREATE INDEX ix_deliveries_pending ON deliveries (endpoint, next_try_at) WHERE state = 'pending';
CREATE INDEX ix_deliveries_owner ON deliveries (owner, at, message_id);
CREATE INDEX ix_deliveries_state ON deliveries (state, endpoint);
DELETE FROM "sqlite_sequence";
COMMIT;
