import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

/** What pgjdbc can do, in each of its modes. Prints what it sees: the same, whatever stands between it and the server. */
public class Pgjdbc {
  public static void main(String[] arguments) throws Exception {
    String[] modes = {"extended -1", "extended 1", "extended 5", "extendedForPrepared 5", "extendedCacheEverything 1", "simple 5"};
    for (String one : modes) {
      String mode = one.split(" ")[0];
      int threshold = Integer.parseInt(one.split(" ")[1]);
      System.out.println("== " + mode + " " + threshold);
      Properties properties = new Properties();
      properties.setProperty("user", arguments[1]);
      properties.setProperty("password", arguments[2]);
      properties.setProperty("sslmode", "disable");
      properties.setProperty("preferQueryMode", mode);
      properties.setProperty("prepareThreshold", String.valueOf(threshold));
      properties.setProperty("reWriteBatchedInserts", String.valueOf(threshold == 1));
      properties.setProperty("autosave", threshold == 1 ? "always" : "never");
      try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
        run(connection, mode);
      }
    }
    System.out.println("done");
  }

  static void run(Connection connection, String mode) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute("DROP TABLE IF EXISTS jdbc; CREATE TABLE jdbc (id serial PRIMARY KEY, word text, at timestamptz, n numeric(12,3), u uuid, b bytea, j jsonb, a int[], d date, f float8)");
      print(statement, "SELECT 1 AS one, 'x' AS x; SELECT 2");
      print(statement, "TABLE jdbc");
    }
    insert(connection, mode.equals("simple"));
    results(connection);
    batches(connection);
    transactions(connection);
    copies(connection);
    errors(connection);
    cancels(connection);
    notifications(connection);
    fetches(connection);
    // In simple mode this driver binds the output of a function as if it were an argument.
    if (!mode.equals("simple")) calls(connection);
    metadata(connection);
  }

  static void insert(Connection connection, boolean isSimple) throws Exception {
    String sql = "INSERT INTO jdbc (word, at, n, u, b, j, a, d, f) VALUES (?, ?, ?, ?, ?, ?::jsonb, ?, ?, ?)";
    try (PreparedStatement statement = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
      for (int n = 1; n <= 7; n++) {
        statement.setString(1, n == 3 ? null : "grüße 🐘 " + n);
        statement.setObject(2, OffsetDateTime.parse("2026-02-28T12:34:56.789+01:00").plusDays(n));
        statement.setBigDecimal(3, new BigDecimal("1234.5").multiply(BigDecimal.valueOf(n)));
        statement.setObject(4, new UUID(n, n));
        // In simple mode this driver writes bytes as nothing at all.
        if (isSimple) statement.setNull(5, Types.BINARY);
        else statement.setBytes(5, new byte[] {0, (byte) 0xff, (byte) n});
        statement.setString(6, "{\"n\": " + n + "}");
        statement.setArray(7, connection.createArrayOf("int4", new Integer[] {n, null, n * 2}));
        statement.setObject(8, LocalDate.of(2026, 2, n));
        statement.setDouble(9, n / 3.0);
        System.out.print(statement.executeUpdate() + " ");
        try (ResultSet keys = statement.getGeneratedKeys()) {
          keys.next();
          System.out.println("key " + keys.getInt(1));
        }
      }
    }
  }

  static void results(Connection connection) throws Exception {
    try (PreparedStatement statement = connection.prepareStatement("SELECT id, word, n, u, b, j, a, d, f, at AT TIME ZONE 'UTC' FROM jdbc WHERE id > ? ORDER BY id")) {
      for (int round = 0; round < 7; round++) {
        statement.setInt(1, round);
        try (ResultSet rows = statement.executeQuery()) {
          while (rows.next()) {
            Array array = rows.getArray(7);
            System.out.println(rows.getInt(1) + " " + rows.getString(2) + " " + rows.getBigDecimal(3) + " " + rows.getObject(4) + " " + Arrays.toString(rows.getBytes(5)) + " " + rows.getString(6) + " " + Arrays.toString((Object[]) array.getArray()) + " " + rows.getObject(8) + " " + rows.getDouble(9) + " " + rows.getTimestamp(10));
          }
        }
      }
      ResultSetMetaData shape = statement.getMetaData();
      for (int n = 1; n <= shape.getColumnCount(); n++)
        System.out.print(shape.getColumnName(n) + ":" + shape.getColumnTypeName(n) + ":" + shape.getTableName(n) + ":" + shape.isNullable(n) + " ");
      System.out.println(statement.getParameterMetaData().getParameterTypeName(1));
    }
    try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
        ResultSet rows = statement.executeQuery("SELECT id, word FROM jdbc ORDER BY id")) {
      rows.absolute(2);
      rows.updateString("word", "updated");
      rows.updateRow();
      rows.last();
      System.out.println(rows.getRow() + " " + rows.getString("word"));
    }
  }

  static void batches(Connection connection) throws Exception {
    try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jdbc (word, n) VALUES (?, ?)")) {
      for (int n = 0; n < 300; n++) {
        statement.setString(1, "batch " + n);
        statement.setBigDecimal(2, BigDecimal.valueOf(n));
        statement.addBatch();
      }
      System.out.println(statement.executeBatch().length + " in a batch");
    }
    try (Statement statement = connection.createStatement()) {
      statement.addBatch("INSERT INTO jdbc (word) VALUES ('one')");
      statement.addBatch("INSERT INTO jdbc (id) VALUES (1)");
      statement.addBatch("INSERT INTO jdbc (word) VALUES ('three')");
      statement.executeBatch();
    } catch (BatchUpdateException error) {
      System.out.println("batch " + error.getSQLState() + " " + Arrays.toString(error.getUpdateCounts()));
    }
    try (Statement statement = connection.createStatement()) {
      print(statement, "SELECT count(*), sum(n) FROM jdbc");
    }
  }

  static void transactions(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate("UPDATE jdbc SET word = 'in a transaction' WHERE id = 1");
      Savepoint savepoint = connection.setSavepoint("before");
      fail(statement, "SELECT 1/0");
      connection.rollback(savepoint);
      print(statement, "SELECT word FROM jdbc WHERE id = 1");
      connection.releaseSavepoint(savepoint);
      connection.rollback();
      print(statement, "SELECT word FROM jdbc WHERE id = 1");
      fail(statement, "SELECT nothing");
      fail(statement, "SELECT 1");
      connection.rollback();
      connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      print(statement, "SHOW transaction_isolation");
      connection.commit();
      connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      connection.setReadOnly(true);
      fail(statement, "DELETE FROM jdbc");
      connection.rollback();
      connection.setReadOnly(false);
    }
    connection.setAutoCommit(true);
  }

  static void copies(Connection connection) throws Exception {
    CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
    System.out.println(manager.copyIn("COPY jdbc (id, word) FROM STDIN", new StringReader("9001\ta\n9002\t\\N\n")) + " copied in");
    System.out.println(manager.copyIn("COPY jdbc (id, word) FROM STDIN (FORMAT csv)", new ByteArrayInputStream("9003,\"x, y\"\n".getBytes())) + " copied in");
    StringWriter out = new StringWriter();
    System.out.println(manager.copyOut("COPY (SELECT id, word FROM jdbc WHERE id > 9000 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)", out) + " copied out\n" + out);
    try {
      manager.copyIn("COPY jdbc (id, word) FROM STDIN", new StringReader("9004\ta\nno number\tb\n" + "9005\tx\n".repeat(20000)));
    } catch (PSQLException error) {
      System.out.println("copy " + error.getSQLState() + " " + error.getServerErrorMessage().getWhere());
    }
    try {
      manager.copyOut("COPY (SELECT 10 / (5 - n) FROM generate_series(1, 9) n) TO STDOUT", new StringWriter());
    } catch (PSQLException error) {
      System.out.println("copy " + error.getSQLState());
    }
    var copy = manager.copyIn("COPY jdbc (id, word) FROM STDIN");
    copy.writeToCopy("9006\tx\n".getBytes(), 0, 7);
    copy.cancelCopy();
    try (Statement statement = connection.createStatement()) {
      print(statement, "DELETE FROM jdbc WHERE id > 9000 RETURNING id");
    }
  }

  static void errors(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      fail(statement, "SELECT * FROM nowhere");
      fail(statement, "SELEC");
      fail(statement, "INSERT INTO jdbc (id) VALUES (1)");
      fail(statement, "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'UX123', DETAIL = 'd', HINT = 'h'; END$$");
      statement.execute("DO $$BEGIN RAISE NOTICE 'careful'; RAISE WARNING 'very'; END$$");
      for (var warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning())
        System.out.println("warning " + warning.getSQLState() + " " + warning.getMessage());
    }
    try (PreparedStatement statement = connection.prepareStatement("SELECT 10 / ?")) {
      for (int n = 3; n >= -3; n--) {
        statement.setInt(1, n);
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          System.out.print(rows.getInt(1) + " ");
        } catch (SQLException error) {
          System.out.print(error.getSQLState() + " ");
        }
      }
      System.out.println();
    }
    // A cached plan must not change its result: the driver prepares anew.
    try (Statement ddl = connection.createStatement(); PreparedStatement statement = connection.prepareStatement("SELECT * FROM changing")) {
      ddl.execute("DROP TABLE IF EXISTS changing");
      ddl.execute("CREATE TABLE changing (a int)");
      ddl.execute("INSERT INTO changing VALUES (1)");
      for (int n = 0; n < 8; n++) {
        if (n == 6) ddl.execute("ALTER TABLE changing ADD b text DEFAULT 'b'");
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          System.out.print(rows.getMetaData().getColumnCount() + " ");
        } catch (SQLException error) {
          System.out.print(error.getSQLState() + " ");
        }
      }
      System.out.println();
    }
  }

  static void cancels(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.setQueryTimeout(1);
      fail(statement, "SELECT pg_sleep(30)");
      statement.setQueryTimeout(0);
      print(statement, "SELECT 'alive'");
    }
  }

  static void notifications(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute("LISTEN jdbc");
      statement.execute("NOTIFY jdbc, 'hello'; NOTIFY jdbc, 'again'");
      for (var notification : connection.unwrap(PGConnection.class).getNotifications(5000))
        System.out.println(notification.getName() + " " + notification.getParameter());
      statement.execute("UNLISTEN jdbc");
    }
  }

  static void fetches(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    try (PreparedStatement statement = connection.prepareStatement("SELECT n, repeat('x', n % 90) FROM generate_series(1, ?) n")) {
      statement.setFetchSize(100);
      statement.setInt(1, 5000);
      long sum = 0;
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) sum += rows.getInt(1) + rows.getString(2).length();
      }
      System.out.println("sum " + sum);
      statement.setMaxRows(10);
      try (ResultSet rows = statement.executeQuery()) {
        int count = 0;
        while (rows.next()) count++;
        System.out.println("rows " + count);
      }
    }
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void calls(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute("CREATE OR REPLACE FUNCTION add_up(a int, b int, OUT c int) LANGUAGE sql AS 'SELECT a + b'");
      statement.execute("CREATE OR REPLACE PROCEDURE double_it(INOUT x int) LANGUAGE plpgsql AS $$BEGIN x := x * 2; END$$");
    }
    try (CallableStatement statement = connection.prepareCall("{? = call add_up(?, ?)}")) {
      statement.registerOutParameter(1, Types.INTEGER);
      statement.setInt(2, 40);
      statement.setInt(3, 2);
      statement.execute();
      System.out.println("called " + statement.getInt(1));
    }
  }

  /** What DBeaver and others ask to draw a tree of the database. */
  static void metadata(Connection connection) throws Exception {
    DatabaseMetaData metadata = connection.getMetaData();
    System.out.println(metadata.getDatabaseMajorVersion() > 0);
    count("schemas", metadata.getSchemas());
    show(metadata.getTables(null, "public", "jdbc%", null), "TABLE_NAME", "TABLE_TYPE");
    show(metadata.getColumns(null, "public", "jdbc", null), "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "IS_NULLABLE", "COLUMN_DEF");
    show(metadata.getPrimaryKeys(null, "public", "jdbc"), "COLUMN_NAME", "PK_NAME");
    show(metadata.getIndexInfo(null, "public", "jdbc", false, false), "INDEX_NAME", "COLUMN_NAME");
    count("types", metadata.getTypeInfo());
    count("keys", metadata.getImportedKeys(null, "public", "jdbc"));
    count("functions", metadata.getFunctions(null, "public", "add_up"));
    count("procedures", metadata.getProcedureColumns(null, "public", "double_it", null));
    count("privileges", metadata.getTablePrivileges(null, "public", "jdbc"));
    count("types of its own", metadata.getUDTs(null, "public", "%", null));
    System.out.println(metadata.getSQLKeywords().length() > 0);
  }

  static void show(ResultSet rows, String... columns) throws SQLException {
    try (rows) {
      while (rows.next()) {
        for (String column : columns) System.out.print(rows.getString(column) + " ");
        System.out.println();
      }
    }
  }

  static void count(String what, ResultSet rows) throws SQLException {
    int count = 0;
    try (rows) {
      while (rows.next()) count++;
    }
    System.out.println(what + " " + count);
  }

  static void print(Statement statement, String sql) throws SQLException {
    boolean hasRows = statement.execute(sql);
    while (hasRows || statement.getUpdateCount() != -1) {
      if (hasRows) {
        try (ResultSet rows = statement.getResultSet()) {
          while (rows.next()) {
            for (int n = 1; n <= rows.getMetaData().getColumnCount(); n++) System.out.print(rows.getString(n) + " ");
            System.out.println();
          }
        }
      } else {
        System.out.println("updated " + statement.getUpdateCount());
      }
      hasRows = statement.getMoreResults();
    }
  }

  static void fail(Statement statement, String sql) {
    try {
      statement.execute(sql);
      System.out.println("no error: " + sql);
    } catch (PSQLException error) {
      System.out.println(error.getSQLState() + " " + error.getServerErrorMessage());
    } catch (SQLException error) {
      System.out.println(error.getSQLState() + " " + error.getMessage());
    }
  }
}
