// What pgx and lib/pq can do. Prints what they see: the same, whatever stands between them and the server.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/lib/pq"
)

func main() {
	url := os.Args[1]
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for _, mode := range modes {
		fmt.Println("== pgx", mode)
		withPgx(url, mode)
	}
	for _, binary := range []string{"no", "yes"} {
		fmt.Println("== lib/pq, binary", binary)
		withPq(url + "&binary_parameters=" + binary)
	}
	fmt.Println("done")
}

func withPgx(url string, mode pgx.QueryExecMode) {
	ctx := context.Background()
	config, err := pgx.ParseConfig(url)
	must(err)
	config.DefaultQueryExecMode = mode
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { fmt.Println("notice", notice.Code, notice.Message) }
	connection, err := pgx.ConnectConfig(ctx, config)
	must(err)
	defer connection.Close(ctx)

	exec := func(sql string, arguments ...any) {
		tag, err := connection.Exec(ctx, sql, arguments...)
		fmt.Println(tag, code(err))
	}
	exec("CREATE TABLE things (id int PRIMARY KEY, word text, at timestamptz, n numeric, u uuid, b bytea, j jsonb, a int[], r int4range)")

	// Every type, there and back.
	at := time.Date(2026, 2, 28, 12, 34, 56, 789000000, time.UTC)
	number := pgtype.Numeric{}
	must(number.Scan("12345678901234567890.0001"))
	for id := range 7 {
		exec("INSERT INTO things VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", id, "grüße 🐘", at, number,
			"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", []byte{0, 255, byte(id)}, map[string]any{"n": id}, []int32{1, int32(id)},
			pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true})
	}
	rows, err := connection.Query(ctx, "SELECT * FROM things WHERE id < $1 ORDER BY id", 3)
	must(err)
	for rows.Next() {
		values, err := rows.Values()
		must(err)
		values[2] = values[2].(time.Time).UTC()
		fmt.Println(values...)
	}
	fmt.Println(rows.CommandTag(), code(rows.Err()))

	// Batches and pipelines.
	batch := &pgx.Batch{}
	for n := range 20 {
		batch.Queue("SELECT 10 / $1::int", 15-n)
	}
	results := connection.SendBatch(ctx, batch)
	for range 20 {
		var quotient int
		err := results.QueryRow().Scan(&quotient)
		fmt.Print(quotient, code(err), " ")
	}
	fmt.Println(code(results.Close()))
	pipeline := connection.PgConn().StartPipeline(ctx)
	for n := range 3 {
		pipeline.SendQueryParams("SELECT 1 / $1::int", [][]byte{fmt.Appendf(nil, "%d", n)}, nil, nil, nil)
		must(pipeline.Sync())
	}
	for range 6 {
		result, err := pipeline.GetResults()
		if reader, ok := result.(*pgconn.ResultReader); ok {
			tag, err := reader.Close()
			fmt.Print(tag, " ", code(err), " ")
		} else {
			fmt.Printf("%T %s ", result, code(err))
		}
	}
	fmt.Println(code(pipeline.Close()))

	// COPY.
	copied, err := connection.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"id", "word", "at"},
		pgx.CopyFromSlice(5000, func(n int) ([]any, error) { return []any{n + 1000, "copied", at}, nil }))
	fmt.Println("copied", copied, code(err))
	_, err = connection.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"id"}, pgx.CopyFromRows([][]any{{9001}, {9001}}))
	fmt.Println("copied", code(err))
	_, err = connection.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"id"},
		pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("changed my mind") }))
	fmt.Println("copied", err != nil)
	exec("DELETE FROM things WHERE id >= 1000")

	// Transactions in transactions.
	transaction, err := connection.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
	must(err)
	_, err = transaction.Exec(ctx, "INSERT INTO things (id) VALUES (100)")
	must(err)
	inner, err := transaction.Begin(ctx)
	must(err)
	_, err = inner.Exec(ctx, "SELECT 1/0")
	fmt.Println(code(err), code(inner.Rollback(ctx)))
	var count int
	must(transaction.QueryRow(ctx, "SELECT count(*) FROM things WHERE id = 100").Scan(&count))
	fmt.Println(count, code(transaction.Rollback(ctx)))

	// Errors, notices, a plan that no longer fits.
	exec("SELECT * FROM nowhere")
	exec("INSERT INTO things (id) VALUES (1)")
	exec("DO $$BEGIN RAISE NOTICE 'careful'; END$$")
	exec("CREATE TABLE gone (a int)")
	for n := range 6 {
		if n == 3 {
			exec("ALTER TABLE gone ADD b int")
		}
		rows, err := connection.Query(ctx, "SELECT * FROM gone")
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		fmt.Print(code(err), " ")
	}
	fmt.Println()

	// LISTEN, and a deadline that cancels.
	exec("LISTEN things")
	exec("SELECT pg_notify('things', $1)", "hello")
	notification, err := connection.WaitForNotification(ctx)
	must(err)
	fmt.Println(notification.Channel, notification.Payload)
	if mode == pgx.QueryExecModeSimpleProtocol {
		canceller, cancel := context.WithTimeout(ctx, 5*time.Second)
		go func() { time.Sleep(300 * time.Millisecond); _ = connection.PgConn().CancelRequest(canceller) }()
		exec("SELECT pg_sleep(30)")
		cancel()
	}
	long := 0
	err = connection.QueryRow(ctx, "SELECT sum(n + length(repeat('x', n % 90))) FROM generate_series(1, 20000) n").Scan(&long)
	fmt.Println(long, code(err))
	exec("DROP TABLE gone, things")
}

func withPq(url string) {
	ctx := context.Background()
	database, err := sql.Open("postgres", url)
	must(err)
	defer database.Close()
	database.SetMaxOpenConns(1)
	exec := func(text string, arguments ...any) {
		result, err := database.Exec(text, arguments...)
		if err != nil {
			fmt.Println(code(err))
			return
		}
		affected, _ := result.RowsAffected()
		fmt.Println("affected", affected)
	}
	exec("CREATE TABLE things (id int PRIMARY KEY, word text, a text[], b bytea)")
	for id := range 4 {
		exec("INSERT INTO things VALUES ($1, $2, $3, $4)", id, "grüße", pq.Array([]string{"a", `b"c`}), []byte{0, 255})
	}
	prepared, err := database.Prepare("SELECT id, word, a, b FROM things WHERE id >= $1 ORDER BY id")
	must(err)
	for from := range 3 {
		rows, err := prepared.Query(from)
		must(err)
		for rows.Next() {
			var id int
			var word string
			var array []string
			var raw []byte
			must(rows.Scan(&id, &word, pq.Array(&array), &raw))
			fmt.Println(id, word, array, raw)
		}
		must(rows.Close())
	}
	must(prepared.Close())
	exec("SELECT nothing")
	exec("INSERT INTO things (id) VALUES (1)")

	transaction, err := database.Begin()
	must(err)
	copying, err := transaction.Prepare(pq.CopyIn("things", "id", "word"))
	must(err)
	for n := range 2000 {
		_, err = copying.Exec(n+100, "copied")
		must(err)
	}
	_, err = copying.Exec()
	fmt.Println("copied", code(err), code(copying.Close()))
	_, err = transaction.Exec("SAVEPOINT s")
	must(err)
	_, err = transaction.Exec("SELECT 1/0")
	fmt.Println(code(err))
	_, err = transaction.Exec("ROLLBACK TO s")
	must(err)
	var count int
	must(transaction.QueryRow("SELECT count(*) FROM things").Scan(&count))
	fmt.Println(count, code(transaction.Rollback()))

	transaction, err = database.Begin()
	must(err)
	copying, err = transaction.Prepare(pq.CopyIn("things", "id"))
	must(err)
	_, err = copying.Exec("no number")
	if err == nil {
		_, err = copying.Exec()
	}
	fmt.Println("copied", code(err))
	_ = copying.Close()
	_ = transaction.Rollback()

	deadline, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	_, err = database.ExecContext(deadline, "SELECT pg_sleep(30)")
	cancel()
	fmt.Println(err != nil)

	listener := pq.NewListener(url, time.Second, time.Second, nil)
	must(listener.Listen("things"))
	exec("SELECT pg_notify('things', 'hello')")
	notification := <-listener.Notify
	fmt.Println(notification.Channel, notification.Extra)
	must(listener.Close())
	exec("DROP TABLE things")
}

// The SQLSTATE, or what there is in place of it.
func code(err error) string {
	var server *pgconn.PgError
	var servers *pq.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &server):
		return server.Code + " " + server.Message
	case errors.As(err, &servers):
		return string(servers.Code) + " " + servers.Message
	default:
		return err.Error()
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
