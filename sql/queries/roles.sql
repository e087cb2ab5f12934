-- Who the role is that asks, what it may do, and what it needs to.

-- name: describe_role
-- What the role may do that no server needs: the powers are in words.
SELECT current_user::text AS role,
       rolsuper AS is_super,
       array_to_string(
           ARRAY(SELECT power
                   FROM (VALUES (rolbypassrls, 'bypass row security'),
                                (rolreplication, 'copy the whole server'),
                                (rolcreaterole, 'create roles'),
                                (rolcreatedb, 'create databases')
                        ) AS had (is_had, power)
                  WHERE is_had
                  UNION ALL
                 SELECT 'act as ' || rolname
                   FROM pg_roles AS other
                  WHERE rolname IN ('pg_execute_server_program',
                                    'pg_read_server_files', 'pg_write_server_files')
                    AND pg_has_role(current_user, other.oid, 'MEMBER')),
           ', ') AS powers
  FROM pg_roles
 WHERE rolname = current_user;

-- name: find_trusting_rules
-- The lines of pg_hba.conf that let in over TCP whoever names a role; only a superuser may
-- read them. Of the database's own machine alone, is_local is true.
SELECT address IN ('127.0.0.1', '::1', 'localhost') AS is_local,
       string_agg(line_number::text, ', ' ORDER BY line_number) AS lines
  FROM pg_hba_file_rules
 WHERE auth_method = 'trust'
   AND type LIKE 'host%%'
   AND error IS NULL
 GROUP BY is_local
 ORDER BY is_local;

-- name: list_grants
-- The SQL that makes a role which may do what serve does, line by line: of the tables that
-- are there. A view of others is only read.
WITH needed (place, relation, rights, purpose) AS (
    VALUES (1, 'videos', 'SELECT', 'serve'),
           (2, 'thumbnails', 'SELECT', 'serve'),
           (3, 'import_results', 'SELECT', 'metrics'),
           (4, 'saved_words', 'SELECT, UPDATE (next_review_date)', 'practice'),
           (5, 'definitions', 'SELECT', 'practice'),
           (6, 'definition_videos', 'SELECT', 'practice'),
           (7, 'test_questions', 'SELECT', 'practice'),
           (8, 'question_videos', 'SELECT', 'practice'),
           (9, 'practice_cards', 'SELECT, INSERT, UPDATE', 'practice'),
           (10, 'practice_reviews', 'SELECT, INSERT', 'practice'),
           (11, 'video_views', 'SELECT, INSERT, UPDATE', 'views'),
           (12, 'view_senders', 'SELECT, INSERT, UPDATE, DELETE', 'views'),
           (13, 'videos', 'INSERT, UPDATE (source_sha256), DELETE', 'admin'),
           (14, 'thumbnails', 'INSERT, UPDATE', 'admin'),
           (15, 'import_results', 'INSERT, UPDATE', 'admin'),
           (16, 'definitions', 'UPDATE (video_id)', 'admin'),
           (17, 'definition_videos', 'INSERT, DELETE', 'admin'),
           (18, 'test_questions', 'UPDATE (video_id)', 'admin'),
           (19, 'question_videos', 'INSERT, DELETE', 'admin'),
           (20, 'checks', 'SELECT', 'admin'),
           (23, 'previews', 'SELECT, INSERT, DELETE', 'serve'),
           (21, 'verifications', 'SELECT', 'doctor'),
           (22, 'bytereel_migrations', 'SELECT', 'doctor'),
           (23, 'levels', 'SELECT', 'serve'),
           (24, 'originals', 'SELECT', 'serve'),
           (25, 'encodings', 'SELECT', 'metrics'),
           (26, 'encoding_results', 'SELECT', 'metrics'),
           (27, 'encodings', 'INSERT', 'admin'),
           (28, 'encodings', 'UPDATE', 'encoders'),
           (29, 'encoding_results', 'INSERT, UPDATE', 'encoders'),
           (30, 'originals', 'INSERT, UPDATE', 'encoders'),
           (31, 'levels', 'INSERT', 'encoders'),
           (32, 'videos', 'INSERT, UPDATE (is_level)', 'encoders'),
           (33, 'captions', 'SELECT', 'serve'),
           (34, 'captions', 'INSERT, UPDATE, DELETE', 'admin'),
           (35, 'playback', 'SELECT, INSERT, UPDATE, DELETE', 'playback'),
           (36, 'encodings', 'UPDATE', 'admin')
), found AS (
    SELECT place, rights, purpose, relkind, quote_ident(nspname) AS schema,
           quote_ident(nspname) || '.' || quote_ident(relname) AS name
      FROM needed
      JOIN pg_class ON pg_class.oid = to_regclass(relation)
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
)
SELECT line
  FROM (SELECT 0 AS place,
               format('CREATE ROLE %%I LOGIN; -- then set its password', %(role)s::text)
                   AS line
         UNION ALL
        SELECT DISTINCT 0, format('GRANT USAGE ON SCHEMA %%s TO %%I;', schema, %(role)s::text)
          FROM found
         UNION ALL
        SELECT place, format('GRANT %%s ON %%s TO %%I; -- %%s',
                             rights, name, %(role)s::text, purpose)
          FROM found
         WHERE relkind IN ('r', 'p') OR rights = 'SELECT'
         UNION ALL
        SELECT own.place, format('GRANT USAGE ON SEQUENCE %%s TO %%I; -- admin',
                                 sequence, %(role)s::text)
          FROM (VALUES (13, 'videos'), (27, 'encodings')) AS own (place, relation)
          JOIN pg_class ON pg_class.oid = to_regclass(relation),
               LATERAL pg_get_serial_sequence(pg_class.oid::regclass::text, 'id')
                   AS sequence
         WHERE relkind = 'r'
           AND sequence IS NOT NULL
       ) AS lines
 ORDER BY place, line;
