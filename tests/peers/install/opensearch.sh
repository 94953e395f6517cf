# OpenSearch, put together from its jars on Maven Central (opensearch/pom.xml) and a launcher of
# our own (opensearch/PeerNode.java), run by Java 17.
# shellcheck shell=bash disable=SC2154

sources=$here/opensearch

pins() {
  echo "recipe 1"
  cat "$sources/pom.xml" "$sources/PeerNode.java"
}

paths() { echo "opensearch=$dir/lib"; }

install() {
  need mvn "fetch OpenSearch"
  need javac "compile OpenSearch's launcher"
  quietly nice -n 10 mvn -B -q -f "$sources/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies "-DoutputDirectory=$dir/lib"
  quietly nice -n 10 javac -Xlint:none -d "$dir/lib" -cp "$dir/lib/*" "$sources/PeerNode.java"
}
