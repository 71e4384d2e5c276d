import java.sql.*;
import java.util.*;

/** Calls everything that pgjdbc can tell of a database: DBeaver, DataGrip and others build on it. Prints what comes back. */
public class JdbcMetadata {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = DriverManager.getConnection(arguments[0], arguments[1], arguments[2])) {
      DatabaseMetaData all = connection.getMetaData();
      String schema = "public";
      show("catalogs", all.getCatalogs());
      show("schemas", all.getSchemas());
      show("schemas like", all.getSchemas(null, "pub%"));
      show("table types", all.getTableTypes());
      show("tables", all.getTables(null, schema, "%", null));
      show("views", all.getTables(null, null, "%", new String[] {"VIEW", "SYSTEM TABLE"}));
      show("columns", all.getColumns(null, schema, "%", "%"));
      show("types", all.getTypeInfo());
      show("user types", all.getUDTs(null, schema, "%", null));
      show("functions", all.getFunctions(null, schema, "%"));
      show("function columns", all.getFunctionColumns(null, schema, "%", "%"));
      show("procedures", all.getProcedures(null, schema, "%"));
      show("procedure columns", all.getProcedureColumns(null, schema, "%", "%"));
      show("client info", all.getClientInfoProperties());
      show("table rights", all.getTablePrivileges(null, schema, "%"));
      for (String table : List.of("customers", "orders")) {
        show("primary key", all.getPrimaryKeys(null, schema, table));
        show("indexes", all.getIndexInfo(null, schema, table, false, false));
        show("imported", all.getImportedKeys(null, schema, table));
        show("exported", all.getExportedKeys(null, schema, table));
        show("best row", all.getBestRowIdentifier(null, schema, table, DatabaseMetaData.bestRowSession, true));
        show("versions", all.getVersionColumns(null, schema, table));
        show("column rights", all.getColumnPrivileges(null, schema, table, "%"));
      }
      show("cross reference", all.getCrossReference(null, schema, "customers", null, schema, "orders"));
      print("keywords", all.getSQLKeywords());
      print("product", all.getDatabaseProductName() + " " + all.getDatabaseProductVersion());
      print("catalog, schema", connection.getCatalog() + " " + connection.getSchema());
      print("limits", all.getMaxColumnNameLength() + " " + all.getMaxColumnsInIndex());
      try (PreparedStatement statement = connection.prepareStatement("SELECT id, email AS mail, upper(email) FROM customers WHERE id = ?")) {
        ResultSetMetaData columns = statement.getMetaData();
        for (int index = 1; index <= columns.getColumnCount(); index++)
          print("column", columns.getTableName(index) + "." + columns.getColumnLabel(index) + " " + columns.getColumnTypeName(index)
            + " " + columns.isNullable(index) + " " + columns.isAutoIncrement(index) + " " + columns.getPrecision(index));
        print("parameter", statement.getParameterMetaData().getParameterTypeName(1));
      }
    }
    System.out.println("done");
  }

  private static void show(String name, ResultSet rows) throws SQLException {
    int count = rows.getMetaData().getColumnCount();
    List<String> lines = new ArrayList<>();
    while (rows.next()) {
      StringBuilder line = new StringBuilder();
      for (int index = 1; index <= count; index++) line.append(rows.getString(index)).append('|');
      lines.add(line.toString());
    }
    rows.close();
    print(name, lines.size() + " rows");
    for (String line : lines) System.out.println("  " + line);
  }

  private static void print(String name, String value) {
    System.out.println(name + ": " + value);
  }
}
