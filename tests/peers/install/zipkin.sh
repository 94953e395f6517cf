# Zipkin's server: one jar from Maven Central, with all that it needs, run by Java 17.
# shellcheck shell=bash disable=SC2154

version=3.5.1

pins() { echo "recipe 1 $version"; }

paths() { echo "zipkin=$dir/zipkin-server-$version-exec.jar"; }

install() {
  need java "run Zipkin"
  need mvn "fetch Zipkin"
  quietly nice -n 10 mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:2.8:copy \
    "-Dartifact=io.zipkin:zipkin-server:$version:jar:exec" "-DoutputDirectory=$dir"
}
