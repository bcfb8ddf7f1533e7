/* sql.c - what the first migration puts into the database: functions, and the roles' grants. */
#include "db.h"

/* witan_day_add belongs to who migrates and runs with that one's rights, so that a writer, who may
 * make no tables, can make room for a day. ATTACH holds up nobody who reads or inserts, as CREATE
 * ... PARTITION OF would. The lock is what makes the second look a fresh one. */
const char pg_functions[] =
        "CREATE TABLE IF NOT EXISTS witan_turn (n BIGINT);"
        "CREATE OR REPLACE FUNCTION witan_refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ "
        "BEGIN RAISE EXCEPTION 'table % is sealed', TG_TABLE_NAME USING ERRCODE = '42501'; END $f$;"
        "CREATE OR REPLACE FUNCTION witan_day_add(t text, d bigint) RETURNS void "
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $f$ "
        "DECLARE p text := t || '_d' || d; "
        "BEGIN "
        " IF pg_partition_root(to_regclass(quote_ident(p))) IS NOT NULL THEN RETURN; END IF; "
        " EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', t); "
        " IF pg_partition_root(to_regclass(quote_ident(p))) IS NOT NULL THEN RETURN; END IF; "
        " IF pg_partition_root(quote_ident(t)::regclass) IS NULL THEN RETURN; END IF; "
        " EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', p, t); "
        " EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', "
        "                t, p, d, d + 1); "
        " IF EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = quote_ident(t)::regclass "
        "            AND tgname = 'witan_seal_all') THEN "
        "  EXECUTE format('CREATE TRIGGER witan_seal_all BEFORE TRUNCATE ON %I "
        "                  EXECUTE FUNCTION witan_refuse()', p); "
        " END IF; "
        "END $f$;"
        "REVOKE ALL ON FUNCTION witan_day_add(text, bigint) FROM PUBLIC";

/* Roles are of the whole server: another database's migration may make them at this moment. A
 * writer inserts and reads, and changes only what is not sealed; a reader does not see bytes, which
 * is where text is; an auditor reads the audit log. */
const char pg_roles[] =
        "DO $f$ DECLARE r text; t record; BEGIN "
        "FOREACH r IN ARRAY ARRAY['witan_writer', 'witan_reader', 'witan_auditor'] LOOP "
        " IF to_regrole(r) IS NULL AND (SELECT rolcreaterole OR rolsuper FROM pg_roles "
        "                               WHERE rolname = current_user) THEN "
        "  BEGIN EXECUTE format('CREATE ROLE %I NOLOGIN', r); "
        "  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; "
        " END IF; "
        "END LOOP; "
        "IF to_regrole('witan_writer') IS NULL OR to_regrole('witan_reader') IS NULL "
        " OR to_regrole('witan_auditor') IS NULL THEN RETURN; END IF; "
        "GRANT EXECUTE ON FUNCTION witan_day_add(text, bigint) TO witan_writer; "
        "FOR t IN SELECT c.relname AS name, c.relkind AS kind, "
        "  EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgrelid = c.oid "
        "          AND g.tgname = 'witan_seal') AS sealed, "
        "  (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a "
        "   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "   AND a.atttypid <> 'bytea'::regtype) AS plain "
        " FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
        " AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition "
        " AND pg_has_role(c.relowner, 'USAGE') LOOP "
        " EXECUTE format('GRANT SELECT, INSERT ON %I TO witan_writer', t.name); "
        " IF NOT t.sealed AND t.kind <> 'v' THEN "
        "  EXECUTE format('GRANT UPDATE, DELETE ON %I TO witan_writer', t.name); "
        " END IF; "
        " IF t.plain IS NOT NULL THEN "
        "  EXECUTE format('GRANT SELECT (%s) ON %I TO witan_reader', t.plain, t.name); "
        " END IF; "
        " IF t.name LIKE 'audit%' THEN "
        "  EXECUTE format('GRANT SELECT ON %I TO witan_auditor', t.name); "
        " END IF; "
        "END LOOP; END $f$";
